//! The key that stops everything, wherever the focus is.
//!
//! Deliberately elsewhere: which key (`desktop.stopAllHotkey` in the configuration, followed by `connection`).

use tauri::{AppHandle, Manager as _};
use tauri_plugin_global_shortcut::{GlobalShortcutExt as _, ShortcutState};
use tauri_plugin_notification::NotificationExt as _;

use crate::action::Action;
use crate::app::{self, Desktop};

/// Where the gateway does not say it, as one of an earlier version.
pub const DEFAULT: &str = "CmdOrCtrl+Alt+Shift+Period";
/// Says that there is none.
pub const OFF: &str = "off";

/// Keeps the registered key in step with the configuration, for as long as the app lives.
pub async fn follow(app: AppHandle) {
    let mut state = app.state::<Desktop>().link.state();
    let mut registered: Option<String> = None;
    loop {
        let wanted = state.borrow_and_update().stop_hotkey.clone();
        if wanted != registered {
            let (handle, old, new) = (app.clone(), registered, wanted.clone());
            // Waits for the main thread.
            let changed = tauri::async_runtime::spawn_blocking(move || change(&handle, old.as_deref(), new.as_deref()));
            if let Err(error) = changed.await {
                tracing::warn!(%error, "the hotkey could not be changed");
            }
            // One that the system refuses is not asked for again until it is another.
            registered = wanted;
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

fn change(app: &AppHandle, old: Option<&str>, new: Option<&str>) {
    if let Some(key) = old
        && let Err(error) = app.global_shortcut().unregister(key)
    {
        tracing::warn!(%error, key, "a hotkey could not be given back");
    }
    let Some(key) = new else { return };
    let done = app.global_shortcut().on_shortcut(key, |app, _, event| {
        if event.state != ShortcutState::Pressed {
            return;
        }
        app::act(app, Action::StopAll);
        // There may be no window that would show it.
        let told = app.notification().builder().title("SimpleClaw").body("All answers are being stopped.").show();
        if let Err(error) = told {
            tracing::warn!(%error, "no notification about a stop");
        }
    });
    if let Err(error) = done {
        tracing::warn!(%error, key, "the hotkey for Stop all is not to be had");
    }
}
