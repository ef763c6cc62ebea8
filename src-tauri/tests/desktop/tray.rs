//! The tray item as a panel sees it.

use simpleclaw_protocol::methods::gateway::{Health, HealthParams};

use super::session::{Session, until};
use super::tray_host::{TrayHost, connect};

const CHAT: &str = "SimpleClaw";

#[tokio::test]
async fn the_item_says_how_the_gateway_is() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let _app = session.app(&["--hidden"]);
    let item = host.item().await;
    item.until_status("SimpleClaw 0.1 · running").await;
    assert_eq!(item.status().await, "Active");
    until("the tooltip", async || (item.tooltip().await == "SimpleClaw: running").then_some(())).await;
    let expected = [
        "SimpleClaw 0.1 · running",
        "Today: $0.00 · 0 runs",
        "Open Chat",
        "Dashboard",
        "Recent sessions",
        "Stop all",
        "Pause all agents",
        "Copy gateway address",
        "Settings…",
        "Launch at login",
        "View logs",
        "Restart gateway",
        "Quit",
    ];
    assert_eq!(item.labels().await, expected);
    let status = item.entry(expected[0]).await.expect("is there");
    assert!(!status.enabled, "the status line is no button");
    assert_eq!(session.windows(CHAT), 0, "--hidden shows no window");
}

#[tokio::test]
async fn open_chat_and_a_left_click_show_the_window() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&["--hidden"]);
    let item = host.item().await;
    item.click("Open Chat").await;
    session.until_windows(CHAT, 1).await;
    // A second wish raises the same window.
    item.activate().await;
    item.click("Open Chat").await;
    session.until_windows(CHAT, 1).await;
    session.close_window(CHAT);
    session.until_windows(CHAT, 0).await;
    assert!(!app.has_ended(), "a closed window does not end the app");
    item.activate().await;
    session.until_windows(CHAT, 1).await;
}

#[tokio::test]
async fn pause_stops_all_agents_and_marks_the_entry() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let _app = session.app(&["--hidden"]);
    let (item, client) = (host.item().await, session.client().await);
    item.until_status("running").await;
    let ready = item.icon().await;
    for paused in [true, false] {
        item.click("Pause all agents").await;
        until("the gateway says so", async || {
            let health = client.call::<Health>(&HealthParams::default()).await.ok()?;
            (health.paused == paused).then_some(())
        })
        .await;
        item.until_entry("Pause all agents", |entry| entry.checked == paused).await;
        item.until_status(if paused { "paused" } else { "running" }).await;
        until("the icon", async || ((item.icon().await == ready) != paused).then_some(())).await;
    }
}

#[tokio::test]
async fn stop_all_ends_the_runs() {
    let (session, _model) = Session::with_mute_model();
    let host = TrayHost::start(&session).await;
    let _app = session.app(&["--hidden"]);
    let (item, client) = (host.item().await, session.client().await);
    item.until_status("running").await;
    let ready = item.icon().await;
    session.send(&client, "Hello").await;
    item.until_status("1 run active").await;
    assert_ne!(item.icon().await, ready);
    item.click("Stop all").await;
    item.until_status("running").await;
    assert_eq!(item.icon().await, ready);
}

#[tokio::test]
async fn a_panel_that_starts_late_gets_the_item() {
    let session = Session::start();
    let _app = session.app(&["--hidden"]);
    // The gateway is up, and the app has tried.
    let client = session.client().await;
    assert!(client.is_connected());
    let host = TrayHost::start(&session).await;
    host.item().await.until_status("running").await;
    assert_eq!(host.count(), 1);

    // And a panel that is started again.
    host.stop().await;
    let host = TrayHost::start(&session).await;
    host.item().await.until_status("running").await;
}

#[tokio::test]
async fn without_any_panel_the_app_lives_and_shows_its_window() {
    let session = Session::start();
    let mut app = session.app(&[]);
    session.until_windows(CHAT, 1).await;
    session.close_window(CHAT);
    session.until_windows(CHAT, 0).await;
    assert!(!app.has_ended());
    let second = session.app(&[]).ended().await;
    assert!(second.success(), "{second}");
    session.until_windows(CHAT, 1).await;
}

#[tokio::test]
async fn launch_at_login_writes_and_removes_its_entry() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let _app = session.app(&["--hidden"]);
    let item = host.item().await;
    let file = session.user_home().join(".config/autostart/SimpleClaw.desktop");
    item.click("Launch at login").await;
    item.until_entry("Launch at login", |entry| entry.checked).await;
    // The tick may be there before the file is.
    let text = until("the file", async || std::fs::read_to_string(&file).ok().filter(|text| !text.is_empty())).await;
    let wanted = format!("Exec={} --hidden", super::session::app().display());
    assert!(text.contains(&wanted), "{text}");
    item.click("Launch at login").await;
    item.until_entry("Launch at login", |entry| !entry.checked).await;
    until("no file", async || (!file.exists()).then_some(())).await;
}

#[tokio::test]
async fn without_a_message_bus_there_is_still_a_window() {
    let session = Session::start();
    let mut command = session.app_command(&[]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let mut app = super::session::Process::start(&mut command);
    session.until_windows(CHAT, 1).await;
    assert!(!app.has_ended());
    // Nobody else has taken the app's name on the bus that is there.
    let names = zbus::fdo::DBusProxy::new(&connect(&session).await).await.expect("a bus").list_names().await;
    assert!(names.expect("names").iter().all(|name| !name.as_str().contains("simpleclaw")));
}
