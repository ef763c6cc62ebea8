//! Asking the person: the window for approvals is made, shown and dropped here, and told of in a notification. Where its
//! web view is dead, a message box of the system stands in.
//!
//! Deliberately elsewhere: what waits (`state`), how the window looks (the page `#/approval` of the web UI), how it is
//! made and placed (`windows`), answering (`connection`).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rfd::{AsyncMessageDialog, MessageButtons, MessageDialogResult, MessageLevel};
use simpleclaw_protocol::approval::Approval;
use tauri::{AppHandle, Manager as _};
use tauri_plugin_notification::NotificationExt as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::app::{Desktop, on_main};
use crate::gateway::Request;
use crate::question;
use crate::windows;

/// How long the hidden window is kept after the last run that could ask.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// A loaded page that says nothing for so long is dead.
const ALIVE_WITHIN: Duration = Duration::from_secs(4);
/// As is one that is not loaded by then. A cold one needs a second.
const LOADED_WITHIN: Duration = Duration::from_secs(10);
const ASKED_EVERY: Duration = Duration::from_millis(100);
/// The page hears of an answer over a connection of its own, a little before or after the tray.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// An answer that comes sooner was meant for another window; the page counts the same.
const ARM: Duration = Duration::from_millis(700);

/// One message box at a time.
static BOX_OPEN: AtomicBool = AtomicBool::new(false);

/// Keeps the window in step with what waits, for as long as the app lives.
pub async fn follow(app: AppHandle) {
    let mut state = app.state::<Desktop>().link.state();
    let mut told = BTreeSet::new();
    // Whether there is a window, and when it goes.
    let (mut made, mut drop_at) = (false, None::<Instant>);
    loop {
        let (waiting, may_ask) = {
            let state = state.borrow_and_update();
            (state.approvals().to_vec(), state.may_ask())
        };
        let fresh: Vec<_> = waiting.iter().filter(|approval| !told.contains(&approval.id)).cloned().collect();
        told = waiting.iter().map(|approval| approval.id.clone()).collect();
        if may_ask || !waiting.is_empty() {
            (made, drop_at) = (true, None);
            on_main(&app, |app| drop(windows::approval(app)));
        } else if made && drop_at.is_none() {
            drop_at = Some(Instant::now() + KEPT);
        }
        if !fresh.is_empty() {
            notify(&app, &fresh);
            ask(&app);
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            () = sleep_until(drop_at) => {
                on_main(&app, |app| windows::close(app, windows::APPROVAL));
                (made, drop_at) = (false, None);
            }
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn notify(app: &AppHandle, fresh: &[Approval]) {
    let (title, body) = question::notice(fresh);
    if let Err(error) = app.notification().builder().title(title).body(body).show() {
        tracing::warn!(%error, "no notification about an approval");
    }
}

/// Shows the window, or what stands in for it.
pub fn ask(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let (done, shown) = oneshot::channel();
        on_main(&app, move |app| {
            let _ = done.send(windows::show_approval(app).is_some());
        });
        // Closed without a word where the app ends.
        let Ok(shown) = shown.await else { return };
        if shown && page_answers(&app).await {
            on_main(&app, windows::focus_approval);
            return;
        }
        tracing::error!("the window for approvals is dead; a message box stands in");
        on_main(&app, |app| windows::close(app, windows::APPROVAL));
        ask_in_boxes(&app).await;
    });
}

/// Whether the window's page is alive. One that is still being loaded is given the script later and nobody its answer,
/// so it is asked again.
async fn page_answers(app: &AppHandle) -> bool {
    let loaded_by = Instant::now() + LOADED_WITHIN;
    loop {
        let (alive, answer) = oneshot::channel();
        on_main(app, move |app| {
            let Some(window) = app.get_webview_window(windows::APPROVAL) else {
                let _ = alive.send(false);
                return;
            };
            let alive = Mutex::new(Some(alive));
            let asked = window.eval_with_callback("1", move |_| {
                let alive = alive.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(alive) = alive {
                    let _ = alive.send(true);
                }
            });
            if let Err(error) = asked {
                tracing::warn!(%error, "the window for approvals does not answer");
            }
        });
        match tokio::time::timeout(ALIVE_WITHIN, answer).await {
            Ok(Ok(alive)) => return alive,
            Ok(Err(_)) if Instant::now() < loaded_by => tokio::time::sleep(ASKED_EVERY).await,
            _ => return false,
        }
    }
}

/// The window's page died, which destroyed the window as well.
pub fn page_died(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move { ask_in_boxes(&app).await });
}

/// One box after the other, until nothing waits.
async fn ask_in_boxes(app: &AppHandle) {
    if BOX_OPEN.swap(true, Ordering::AcqRel) {
        return;
    }
    let state = app.state::<Desktop>().link.state();
    let mut left_alone = BTreeSet::new();
    loop {
        let next = state.borrow().approvals().iter().find(|approval| !left_alone.contains(&approval.id)).cloned();
        let Some(approval) = next else { break };
        match ask_in_box(app, &approval).await {
            Some(allow) => {
                // Whatever comes of it, it is not asked here again.
                left_alone.insert(approval.id.clone());
                app.state::<Desktop>().link.ask(Request::Decide { id: approval.id, allow });
            }
            None => {
                left_alone.insert(approval.id);
            }
        }
    }
    BOX_OPEN.store(false, Ordering::Release);
}

/// The answer; `None` where it was not asked for, because not all of it can be shown in a box.
async fn ask_in_box(app: &AppHandle, approval: &Approval) -> Option<bool> {
    let Some(text) = question::box_text(approval) else {
        let (title, text) = question::too_long(approval);
        message_box(app, title, text, MessageButtons::Ok).await;
        return None;
    };
    loop {
        let shown = Instant::now();
        let buttons = MessageButtons::OkCancelCustom(question::ALLOW_ONCE.to_owned(), question::DENY.to_owned());
        let answer = message_box(app, question::title(approval), text.clone(), buttons).await?;
        // Linux says Ok where others say the button's words; closing the box is a Deny everywhere.
        let allow = match answer {
            MessageDialogResult::Ok | MessageDialogResult::Yes => true,
            MessageDialogResult::Custom(words) => words == question::ALLOW_ONCE,
            MessageDialogResult::No | MessageDialogResult::Cancel => false,
        };
        if !allow || shown.elapsed() >= ARM {
            return Some(allow);
        }
    }
}

/// Made on the main thread, as macOS wants it; `None` where the app ends.
async fn message_box(
    app: &AppHandle,
    title: String,
    text: String,
    buttons: MessageButtons,
) -> Option<MessageDialogResult> {
    let (made, box_made) = oneshot::channel();
    on_main(app, move |_| {
        let shown = AsyncMessageDialog::new()
            .set_level(MessageLevel::Warning)
            .set_title(title)
            .set_description(text)
            .set_buttons(buttons)
            .show();
        let _ = made.send(shown);
    });
    Some(box_made.await.ok()?.await)
}

/// Hides the window as soon as nothing waits here either, unless that takes so long that it must be something new.
pub fn done(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let mut state = app.state::<Desktop>().link.state();
        let none = state.wait_for(|state| state.approvals().is_empty());
        let heard = matches!(tokio::time::timeout(HEARD_WITHIN, none).await, Ok(Ok(_)));
        if heard {
            on_main(&app, windows::hide_approval);
        }
    });
}
