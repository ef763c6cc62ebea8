//! The windows: made when asked for, destroyed when closed, so that the memory of their web views is given back.
//!
//! Deliberately elsewhere: when a window is wanted (`app`), what its page may ask for (`commands`, `capabilities/`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tauri::http::{Request, Response, header};
use tauri::{
    AppHandle, Manager as _, PhysicalPosition, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent,
};

use crate::{asking, platform};

pub const CHAT: &str = "chat";
/// Asks for approvals.
pub const APPROVAL: &str = "approval";
/// Also the scheme of its page, which is not part of the web UI.
pub const FAILED: &str = "failed";

const FAILED_PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src ipc: http://ipc.localhost; base-uri 'none'; form-action 'none'";

/// Shows the window, at `page` (a fragment such as `#/settings`) or where it was. Called on the main thread.
pub fn open_chat(app: &AppHandle, page: Option<&str>) {
    if let Some(window) = app.get_webview_window(CHAT) {
        if let Some(page) = page {
            go(&window, page);
        }
        raise(&window);
        return;
    }
    let page = WebviewUrl::App(PathBuf::from(format!("index.html{}", page.unwrap_or_default())));
    let built = WebviewWindowBuilder::new(app, CHAT, page)
        .title("SimpleClaw")
        .inner_size(1100.0, 760.0)
        .min_inner_size(400.0, 480.0)
        .on_navigation(is_own_page)
        .build();
    match built {
        Ok(window) => {
            let handle = app.clone();
            platform::on_page_crash(&window, move || reload_or_close(&handle, CHAT));
            raise(&window);
        }
        Err(error) => tracing::error!(%error, "the chat window could not be made"),
    }
}

/// The window that asks for approvals, made where there is none, and hidden until [`show_approval`]; `None` where it
/// cannot be made. Called on the main thread.
pub fn approval(app: &AppHandle) -> Option<WebviewWindow> {
    if let Some(window) = app.get_webview_window(APPROVAL) {
        return Some(window);
    }
    let page = WebviewUrl::App(PathBuf::from("index.html#/approval"));
    let built = WebviewWindowBuilder::new(app, APPROVAL, page)
        .title("SimpleClaw asks")
        .inner_size(600.0, 620.0)
        .min_inner_size(400.0, 420.0)
        .always_on_top(true)
        .visible_on_all_workspaces(true)
        .minimizable(false)
        .maximizable(false)
        .visible(false)
        .on_navigation(is_own_page)
        .build();
    let window = match built {
        Ok(window) => window,
        Err(error) => {
            tracing::error!(%error, "the window for approvals could not be made");
            return None;
        }
    };
    let hidden = window.clone();
    window.on_window_event(move |event| {
        // Closing it answers nothing: what waits goes on waiting, and the page is there at once the next time.
        if let WindowEvent::CloseRequested { api, .. } = event {
            api.prevent_close();
            if let Err(error) = hidden.hide() {
                tracing::warn!(%error, "the window for approvals could not be hidden");
            }
        }
    });
    let handle = app.clone();
    platform::on_page_crash(&window, move || {
        tracing::error!("the process of the page for approvals died");
        close(&handle, APPROVAL);
        asking::page_died(&handle);
    });
    Some(window)
}

/// Shows it on the screen with the pointer, where it is not shown already. Called on the main thread.
pub fn show_approval(app: &AppHandle) -> Option<WebviewWindow> {
    let window = approval(app)?;
    if !window.is_visible().unwrap_or_default()
        && let Err(error) = put_at_pointer(&window)
    {
        tracing::warn!(%error, "the window for approvals could not be placed");
    }
    raise(&window);
    Some(window)
}

/// A window gets the focus only once it is on the screen, which is a little after [`show_approval`]; where the system
/// gave it to the window by itself, this changes nothing. Called on the main thread.
pub fn focus_approval(app: &AppHandle) {
    if let Some(Err(error)) = app.get_webview_window(APPROVAL).map(|window| window.set_focus()) {
        tracing::warn!(%error, "the window for approvals could not get the focus");
    }
}

/// Called on the main thread.
pub fn hide_approval(app: &AppHandle) {
    if let Some(Err(error)) = app.get_webview_window(APPROVAL).map(|window| window.hide()) {
        tracing::warn!(%error, "the window for approvals could not be hidden");
    }
}

/// In the middle of the screen that has the pointer.
fn put_at_pointer(window: &WebviewWindow) -> tauri::Result<()> {
    let pointer = window.cursor_position()?;
    let Some(monitor) = window.monitor_from_point(pointer.x, pointer.y)? else { return window.center() };
    let (area, size) = (monitor.work_area(), window.outer_size()?);
    let middle = |start: i32, room: u32, own: u32| start.saturating_add_unsigned(room.saturating_sub(own) / 2);
    window.set_position(PhysicalPosition::new(
        middle(area.position.x, area.size.width, size.width),
        middle(area.position.y, area.size.height, size.height),
    ))
}

/// Shows why the gateway did not start. Called on the main thread.
pub fn open_failed(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(FAILED) {
        // What it shows may be an earlier failure.
        if let Err(error) = window.reload() {
            tracing::warn!(%error, "the window could not be brought up to date");
        }
        raise(&window);
        return;
    }
    let page = match Url::parse("failed://localhost/") {
        Ok(page) => page,
        Err(error) => return tracing::error!(%error, "no page for the failure"),
    };
    let built = WebviewWindowBuilder::new(app, FAILED, WebviewUrl::CustomProtocol(page))
        .title("SimpleClaw did not start")
        .inner_size(520.0, 300.0)
        .center()
        .on_navigation(is_own_page)
        .build();
    match built {
        Ok(window) => raise(&window),
        Err(error) => tracing::error!(%error, "the window about the failure could not be made"),
    }
}

/// Takes a window away, where it is.
pub fn close(app: &AppHandle, label: &str) {
    if let Some(Err(error)) = app.get_webview_window(label).map(|window| window.destroy()) {
        tracing::warn!(%error, label, "a window could not be closed");
    }
}

fn raise(window: &WebviewWindow) {
    let raised = window.show().and_then(|()| window.unminimize()).and_then(|()| window.set_focus());
    if let Err(error) = raised {
        tracing::warn!(%error, "a window could not be raised");
    }
}

/// Changes only the fragment, so that the page stays and no draft is lost.
fn go(window: &WebviewWindow, fragment: &str) {
    // Words of ours or percent-encoded: no quote can be in it.
    if let Err(error) = window.eval(format!("location.hash = \"{fragment}\"")) {
        tracing::warn!(%error, "the window could not go to its page");
    }
}

/// A page whose process died comes back once; one that dies again soon is closed, and the tray lives on.
fn reload_or_close(app: &AppHandle, label: &str) {
    const SOON: Duration = Duration::from_secs(30);
    static LAST: AtomicU64 = AtomicU64::new(0);

    let now = app.state::<crate::app::Desktop>().uptime();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let last = LAST.swap(now_ms, Ordering::Relaxed);
    let again = last > 0 && now.saturating_sub(Duration::from_millis(last)) < SOON;
    tracing::error!(label, again, "the process of a window's page died");
    let Some(window) = app.get_webview_window(label) else { return };
    if again || window.reload().is_err() {
        close(app, label);
    }
}

/// No link leads a window away from the app: whatever it led to would be shown with our name on it.
fn is_own_page(url: &Url) -> bool {
    let named = |name| matches!(url.host_str(), Some(host) if host == name);
    match url.scheme() {
        "tauri" | FAILED => named("localhost"),
        "http" | "https" => named("tauri.localhost") || named("failed.localhost"),
        _ => false,
    }
}

/// Serves the page about a failed start. Its text comes from the command `failure`.
pub fn failed_page(request: &Request<Vec<u8>>) -> Response<&'static [u8]> {
    let (kind, body) = match request.uri().path() {
        "/" => ("text/html; charset=utf-8", include_bytes!("failed/index.html").as_slice()),
        "/style.css" => ("text/css; charset=utf-8", include_bytes!("failed/style.css").as_slice()),
        "/script.js" => ("text/javascript; charset=utf-8", include_bytes!("failed/script.js").as_slice()),
        _ => ("text/plain", b"not found".as_slice()),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, header::HeaderValue::from_static(FAILED_PAGE_POLICY));
    response
}

/// Where the page shows a session.
pub fn of_session(key: &str) -> String {
    format!("#/chat/{}", percent_encoded(key))
}

/// As `encodeURIComponent`, whose counterpart the page calls.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_key_is_safe_in_a_fragment_and_in_a_script() {
        assert_eq!(percent_encoded("agent:main:x-1.y_z"), "agent%3Amain%3Ax-1.y_z");
        assert_eq!(percent_encoded("\"';</é"), "%22%27%3B%3C%2F%C3%A9");
    }

    #[test]
    fn windows_stay_on_their_own_pages() {
        for (url, own) in [
            ("tauri://localhost/index.html#/chat", true),
            ("http://tauri.localhost/", true),
            ("failed://localhost/", true),
            ("https://tauri.localhost.example.com/", false),
            ("http://localhost:18789/", false),
            ("tauri://elsewhere/", false),
            ("file:///etc/passwd", false),
            ("about:blank", false),
        ] {
            assert_eq!(is_own_page(&Url::parse(url).unwrap()), own, "{url}");
        }
    }
}
