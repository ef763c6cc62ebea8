//! The windows: made when asked for, destroyed when closed, so that the memory of their web views is given back.
//!
//! Deliberately elsewhere: when a window is wanted (`app`), what its page may ask for (`commands`, `capabilities/`).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tauri::http::{Request, Response, header};
use tauri::{AppHandle, Manager as _, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

use crate::platform;

pub const CHAT: &str = "chat";
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
