//! The app's life: what happens at its start, on a click, when the gateway's state changes, and at its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use simpleclaw_gateway::Home;
use simpleclaw_gateway::logging::LogHandle;
use tauri::{AppHandle, Manager as _, RunEvent};
use tauri_plugin_autostart::ManagerExt as _;
use tauri_plugin_opener::OpenerExt as _;
use tauri_plugin_window_state::StateFlags;
use tokio::sync::oneshot;

use crate::action::Action;
use crate::gateway::{Link, Request};
use crate::state::Phase;
use crate::tray::{self, Tray};
use crate::{HIDDEN, asking, commands, hotkey, platform, windows};

/// What every part of the app shares.
pub struct Desktop {
    pub link: Link,
    pub tray: Tray,
    home: Home,
    clipboard: platform::Clipboard,
    started: Instant,
    quitting: AtomicBool,
}

impl Desktop {
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Runs until somebody quits; the exit code. `port` goes before the configured one.
pub fn run(home: Home, port: Option<u16>, logs: LogHandle) -> tauri::Result<u8> {
    let hidden = std::env::args().any(|argument| argument == HIDDEN);
    let state = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED;
    let app = tauri::Builder::default()
        // First, so that a second launch does nothing else.
        .plugin(tauri_plugin_single_instance::init(|app, arguments, _| {
            if !arguments.iter().any(|argument| argument == HIDDEN) {
                act(app, Action::OpenChat);
            }
        }))
        .plugin(tauri_plugin_autostart::Builder::new().app_name("SimpleClaw").arg(HIDDEN).build())
        .plugin(tauri_plugin_global_shortcut::Builder::new().build())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(state)
                .with_denylist(&[windows::FAILED, windows::APPROVAL])
                .build(),
        )
        .register_uri_scheme_protocol(windows::FAILED, |_, request| windows::failed_page(&request))
        .invoke_handler(tauri::generate_handler![
            commands::gateway_endpoint,
            commands::open_external,
            commands::notify,
            commands::done_asking,
            commands::failure,
            commands::start_again,
            commands::open_config,
            commands::quit,
        ])
        .setup(move |app| {
            #[cfg(target_os = "macos")]
            app.set_activation_policy(tauri::ActivationPolicy::Accessory);
            // Before there is a gateway that a signal must not cut off.
            let signals = tauri::async_runtime::block_on(async { platform::EndSignals::listen() });
            app.manage(Desktop {
                link: Link::start(home.clone(), port, logs.clone()),
                tray: Tray::default(),
                home,
                clipboard: platform::Clipboard::default(),
                started: Instant::now(),
                quitting: AtomicBool::new(false),
            });
            tray::start(app.handle());
            tauri::async_runtime::spawn(follow(app.handle().clone(), hidden));
            tauri::async_runtime::spawn(asking::follow(app.handle().clone()));
            tauri::async_runtime::spawn(hotkey::follow(app.handle().clone()));
            match signals {
                Ok(signals) => drop(tauri::async_runtime::spawn(quit_on_signal(app.handle().clone(), signals))),
                Err(error) => tracing::warn!(%error, "signals will end the app without a goodbye"),
            }
            Ok(())
        })
        .build(tauri::generate_context!())?;
    let code = app.run_return(|_, event| {
        // The last window was closed: the tray and the gateway go on.
        if let RunEvent::ExitRequested { code: None, api, .. } = event {
            api.prevent_exit();
        }
    });
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Does what a menu entry says. Called on any thread.
pub fn act(app: &AppHandle, action: Action) {
    // A second launch may be so early that there is nothing yet.
    let Some(desktop) = app.try_state::<Desktop>() else { return };
    match action {
        Action::OpenChat => on_main(app, |app| open(app, None)),
        Action::OpenSession(key) => on_main(app, move |app| open(app, Some(&windows::of_session(&key)))),
        Action::Dashboard => on_main(app, |app| open(app, Some("#/health"))),
        Action::Approvals => asking::ask(app),
        Action::Settings => on_main(app, |app| open(app, Some("#/settings"))),
        Action::ShowFailure => on_main(app, windows::open_failed),
        Action::StopAll => desktop.link.ask(Request::StopAll),
        Action::PauseAll => {
            let paused = desktop.link.state().borrow().is_paused();
            desktop.link.ask(Request::Pause(!paused));
            // The system has set the mark; the gateway's answer decides it.
            on_main(app, |app| tray::update(app, true));
        }
        Action::CopyAddress => {
            if let Some(address) = desktop.link.state().borrow().web_address() {
                desktop.clipboard.copy(address);
            }
        }
        Action::LaunchAtLogin => {
            let autostart = app.autolaunch();
            let done = match autostart.is_enabled() {
                Ok(true) => autostart.disable(),
                _ => autostart.enable(),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "launch at login could not be changed");
            }
            on_main(app, |app| tray::update(app, true));
        }
        Action::ViewLogs => {
            let folder = desktop.home.logs_dir();
            if let Err(error) = app.opener().open_path(folder.to_string_lossy(), None::<&str>) {
                tracing::warn!(%error, folder = %folder.display(), "the logs could not be opened");
            }
        }
        Action::Restart => desktop.link.ask(Request::Restart),
        Action::Quit => quit(app),
    }
}

/// The window, at a page of it or where it was; or why there is none.
fn open(app: &AppHandle, page: Option<&str>) {
    let failed = matches!(app.state::<Desktop>().link.state().borrow().phase, Phase::Failed(_));
    match failed {
        true => windows::open_failed(app),
        false => windows::open_chat(app, page),
    }
}

/// Keeps tray and windows in step with the gateway.
async fn follow(app: AppHandle, hidden: bool) {
    let mut state = app.state::<Desktop>().link.state();
    // A window is due at the start, and when a start that failed succeeds after all.
    let (mut chat_due, mut failed) = (!hidden, false);
    loop {
        let (now_failed, live) = {
            let state = state.borrow_and_update();
            (matches!(state.phase, Phase::Failed(_)), state.is_live())
        };
        if now_failed {
            on_main(&app, windows::open_failed);
        }
        if live && (chat_due || failed) {
            chat_due = false;
            on_main(&app, |app| windows::open_chat(app, None));
        }
        if live && failed {
            on_main(&app, |app| windows::close(app, windows::FAILED));
        }
        failed = now_failed || (failed && !live);
        on_main(&app, |app| tray::update(app, false));
        if state.changed().await.is_err() {
            return;
        }
    }
}

/// Ends gracefully; asked again meanwhile, at once.
fn quit(app: &AppHandle) {
    let desktop = app.state::<Desktop>();
    if desktop.quitting.swap(true, Ordering::AcqRel) {
        app.exit(1);
        return;
    }
    let (done, ended) = oneshot::channel();
    desktop.link.ask(Request::Quit(done));
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        // An error is an end as well.
        let _ = ended.await;
        app.exit(0);
    });
}

/// A log-out, `kill` and Ctrl-C in a terminal are a Quit.
async fn quit_on_signal(app: AppHandle, mut signals: platform::EndSignals) {
    loop {
        match signals.next().await {
            Ok(()) => quit(&app),
            Err(error) => return tracing::warn!(%error, "signals will end the app without a goodbye"),
        }
    }
}

/// Windows and menus belong to the main thread.
pub fn on_main(app: &AppHandle, work: impl FnOnce(&AppHandle) + Send + 'static) {
    let handle = app.clone();
    if let Err(error) = app.run_on_main_thread(move || work(&handle)) {
        tracing::warn!(%error, "the app is ending");
    }
}
