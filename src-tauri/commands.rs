//! What a page can ask of the app: only what a browser cannot do. Everything else goes over the gateway's WebSocket.
//! Which window may call which is in `capabilities/`.

use tauri::{AppHandle, State as Managed};
use tauri_plugin_notification::NotificationExt as _;
use tauri_plugin_opener::OpenerExt as _;

use crate::action::Action;
use crate::app::{self, Desktop};
use crate::asking;
use crate::gateway::Request;
use crate::state::{Endpoint, Failure, Phase};

/// Characters of a notification; systems cut earlier.
const NOTIFICATION_LENGTH: usize = 1000;

/// Where the gateway is and the token for it; waits while it starts.
///
/// # Errors
/// What the gateway is doing instead of running, in words.
#[tauri::command]
pub async fn gateway_endpoint(desktop: Managed<'_, Desktop>) -> Result<Endpoint, String> {
    let mut state = desktop.link.state();
    let settled = state.wait_for(|state| state.phase != Phase::Starting).await;
    let state = settled.map_err(|_| "the app ends".to_owned())?;
    state.endpoint.clone().ok_or_else(|| state.status_line())
}

/// Opens a web or mail address in the program that the person chose for such.
///
/// # Errors
/// For any other kind of address, and where the system has no program for it.
#[tauri::command]
pub fn open_external(app: AppHandle, url: tauri::Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https" | "mailto") {
        return Err(format!("{}: links are not opened", url.scheme()));
    }
    app.opener().open_url(url, None::<&str>).map_err(|error| error.to_string())
}

/// Shows a notification of the system.
///
/// # Errors
/// Where the system refuses.
#[tauri::command]
pub fn notify(app: AppHandle, title: &str, body: &str) -> Result<(), String> {
    let cut = |text: &str| text.chars().take(NOTIFICATION_LENGTH).collect::<String>();
    app.notification().builder().title(cut(title)).body(cut(body)).show().map_err(|error| error.to_string())
}

/// Nothing waits any more: the window that asks goes, until something does.
#[tauri::command]
pub fn done_asking(app: AppHandle) {
    asking::done(&app);
}

/// Why the gateway did not start; nothing where it runs by now.
#[tauri::command]
pub fn failure(desktop: Managed<'_, Desktop>) -> Option<Failure> {
    match &desktop.link.state().borrow().phase {
        Phase::Failed(failure) => Some(failure.clone()),
        _ => None,
    }
}

/// Starts again, with `any_port` on a free port instead of the configured one.
#[tauri::command]
pub fn start_again(desktop: Managed<'_, Desktop>, any_port: bool) {
    desktop.link.ask(Request::Start { any_port });
}

/// Opens the configuration file in the person's editor.
///
/// # Errors
/// Where there is no file, or no program for it.
#[tauri::command]
pub fn open_config(app: AppHandle, desktop: Managed<'_, Desktop>) -> Result<(), String> {
    let path = failure(desktop).and_then(|failure| failure.config).ok_or("there is no configuration file")?;
    app.opener().open_path(path.to_string_lossy(), None::<&str>).map_err(|error| error.to_string())
}

#[tauri::command]
pub fn quit(app: AppHandle) {
    app::act(&app, Action::Quit);
}
