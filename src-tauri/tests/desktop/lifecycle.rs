//! Start, failure, attachment, the end.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use simpleclaw_client::Client;
use simpleclaw_gateway::{Gateway, Options};
use simpleclaw_protocol::methods::gateway::{GatewayShutdown, Health, HealthParams, Status, SystemPresence};
use simpleclaw_protocol::methods::{KeyOnlyParams, NoParams};

use super::session::{Session, app, until};
use super::tray_host::TrayHost;

const CHAT: &str = "SimpleClaw";
const FAILED: &str = "SimpleClaw did not start";

#[tokio::test]
async fn quit_ends_gracefully_and_frees_the_folder() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&[]);
    session.until_windows(CHAT, 1).await;
    host.item().await.click("Quit").await;
    assert_eq!(app.ended().await.code(), Some(0));
    session.home().lock().expect("the lock is free");
    assert_eq!(session.home().read_lock(), None);
}

#[tokio::test]
async fn a_second_quit_does_not_wait() {
    let (session, _model) = Session::with_mute_model();
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&["--hidden"]);
    let (item, client) = (host.item().await, session.client().await);
    // A graceful end waits for it.
    session.send(&client, "Hello").await;
    item.until_status("1 run active").await;
    item.click("Quit").await;
    item.until_status("stopping…").await;
    item.click("Quit").await;
    assert_eq!(app.ended().await.code(), Some(1));
    session.home().lock().expect("the lock is free");
}

#[tokio::test]
async fn a_signal_is_a_quit() {
    let session = Session::start();
    let mut app = session.app(&["--hidden"]);
    session.owner().await;
    app.signal(Signal::SIGTERM);
    assert_eq!(app.ended().await.code(), Some(0));
    assert_eq!(session.home().read_lock(), None);
}

#[tokio::test]
async fn a_second_launch_shows_the_window_of_the_first() {
    let session = Session::start();
    let _first = session.app(&["--hidden"]);
    let owner = session.owner().await;
    let mut silent = session.app(&["--hidden"]);
    assert_eq!(silent.ended().await.code(), Some(0));
    assert_eq!(session.windows(CHAT), 0, "a launch at login shows nothing");
    let mut second = session.app(&[]);
    assert_eq!(second.ended().await.code(), Some(0));
    session.until_windows(CHAT, 1).await;
    assert_eq!(session.owner().await, owner);
}

#[tokio::test]
async fn a_gateway_that_runs_already_is_attached_to() {
    let session = Session::start();
    let gateway = Gateway::start(Options::new(session.home())).await.expect("starts");
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&[]);
    let item = host.item().await;
    item.until_status(&format!("running in process {}", std::process::id())).await;
    session.until_windows(CHAT, 1).await;
    item.click("Pause all agents").await;
    let client = session.client().await;
    until("it is paused", async || {
        client.call::<Health>(&HealthParams::default()).await.ok().filter(|health| health.paused)
    })
    .await;
    item.until_status("paused in process").await;

    // It ends, and nobody takes its place unasked.
    client.close().await;
    gateway.shutdown(std::time::Duration::from_secs(1)).await;
    item.until_status("lost the gateway").await;
    assert_eq!(session.home().read_lock(), None);
    item.click("Restart gateway").await;
    item.until_status("paused").await;
    assert_eq!(session.owner().await.pid, app.id());
    item.click("Quit").await;
    assert_eq!(app.ended().await.code(), Some(0));
}

#[tokio::test]
async fn quit_leaves_another_process_its_gateway() {
    let session = Session::start();
    let _gateway = Gateway::start(Options::new(session.home())).await.expect("starts");
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&["--hidden"]);
    let item = host.item().await;
    item.until_status("running in process").await;
    item.click("Quit").await;
    assert_eq!(app.ended().await.code(), Some(0));
    let status = session.client().await.call::<Status>(&NoParams {}).await.expect("still answers");
    assert_eq!(status.pid, std::process::id());
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_another_one_helps() {
    let session = Session::without_config();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    session.configure(&format!("gateway: {{port: {port}}}\nmodels: {{detect: false}}\n"));
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&[]);
    let item = host.item().await;
    item.until_status("not started").await;
    session.until_windows(FAILED, 1).await;
    assert_eq!(session.windows(CHAT), 0);
    assert!(item.tooltip().await.contains(&port.to_string()), "{}", item.tooltip().await);
    assert!(!app.has_ended());
    // Once the port is free, the menu starts it.
    session.close_window(FAILED);
    session.until_windows(FAILED, 0).await;
    item.click("Why it did not start…").await;
    session.until_windows(FAILED, 1).await;
    drop(taken);
    item.click("Restart gateway").await;
    item.until_status("running").await;
    session.until_windows(FAILED, 0).await;
    session.until_windows(CHAT, 1).await;
    assert!(session.owner().await.url.ends_with(&format!(":{port}")));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_said() {
    let session = Session::without_config();
    session.configure("gateway: [\n");
    let host = TrayHost::start(&session).await;
    let _app = session.app(&["--hidden"]);
    let item = host.item().await;
    item.until_status("not started").await;
    assert!(item.tooltip().await.contains("config.yaml:"), "{}", item.tooltip().await);
    session.until_windows(FAILED, 1).await;
}

#[tokio::test]
async fn the_gateway_restarts_under_the_app() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&["--hidden"]);
    let (item, before) = (host.item().await, session.owner().await);
    item.click("Restart gateway").await;
    until("a new gateway", async || session.home().read_lock().filter(|owner| owner.boot_id != before.boot_id)).await;
    item.until_status("running").await;

    // Ended over the wire, it stays ended, and the app goes on.
    let client = session.client().await;
    client.call::<GatewayShutdown>(&KeyOnlyParams::default()).await.expect("is taken");
    item.until_status("stopped").await;
    assert!(!app.has_ended());
    item.click("Restart gateway").await;
    item.until_status("running").await;
}

#[tokio::test]
async fn a_page_whose_process_dies_comes_back_and_the_app_lives() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let mut app = session.app(&[]);
    session.until_windows(CHAT, 1).await;
    let client = session.client().await;
    // Once it is connected: a page that dies while it is being made takes WebKit's own process with it.
    let first = until("the page is connected", async || page_connection(&client, None).await).await;
    let page = page_process(app.id()).expect("the page's process");
    kill(page);
    let next = until("another one", async || page_process(app.id()).filter(|next| *next != page)).await;
    session.until_windows(CHAT, 1).await;
    until("the page is connected again", async || page_connection(&client, Some(&first)).await).await;
    // At once again: the window goes, the tray stays.
    kill(next);
    session.until_windows(CHAT, 0).await;
    assert!(!app.has_ended());
    host.item().await.click("Open Chat").await;
    session.until_windows(CHAT, 1).await;
}

#[tokio::test]
async fn without_a_display_it_says_so() {
    let mut command = Command::new(app());
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").stderr(Stdio::piped());
    let output = command.output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("no display") && words.contains("simpleclaw gateway run"), "{words}");
}

/// The id of the page's connection, where it is another than `known`.
async fn page_connection(client: &Client, known: Option<&String>) -> Option<String> {
    let presence = client.call::<SystemPresence>(&NoParams {}).await.expect("answers").presence;
    let page = presence.into_iter().find(|entry| entry.client_id == "simpleclaw-ui")?;
    page.conn_id.filter(|id| Some(id) != known)
}

/// The child of the app that draws its page.
fn page_process(app: u32) -> Option<u32> {
    let list = Command::new("pgrep").args(["-P", &app.to_string(), "WebKitWebProces"]).output().expect("pgrep runs");
    String::from_utf8_lossy(&list.stdout).lines().last()?.parse().ok()
}

fn kill(process: u32) {
    let id = nix::unistd::Pid::from_raw(process.try_into().expect("a process id"));
    nix::sys::signal::kill(id, Signal::SIGKILL).expect("is there");
}
