//! Plain HTTP: the health probes, the web UI, and the upgrade to a WebSocket.

use std::borrow::Cow;
use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use rust_embed::Embed;
use serde_json::json;
use simpleclaw_protocol::health::SubsystemState;
use simpleclaw_protocol::{SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::runtime::Runtime;

pub type Body = Full<Bytes>;

/// The built web UI, each file compressed with gzip and named so: embedded in a release build, read from the checkout in
/// a debug build. `cargo check` works without it; a gateway without it says so on its page.
#[derive(Embed)]
#[folder = "../../ui/dist-gz"]
#[allow_missing = true]
struct Ui;

/// No script, style or connection but our own.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; font-src 'self'; connect-src 'self' ws://localhost:* ws://127.0.0.1:*; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const NO_UI: &str = "<!doctype html><meta charset=utf-8><title>SimpleClaw</title>\
     <p>This gateway runs, but it was built without its web page: build <code>ui/</code> first \
     (<code>cargo xtask run</code> does), then build it again.";

/// What a request wants to become.
pub enum Upgrade {
    None,
    Refused(Response<Body>),
    WebSocket { response: Response<Body>, msgpack: bool },
}

/// Checks an upgrade by RFC 6455, 4.2.1.
pub fn upgrade<B>(request: &Request<B>) -> Upgrade {
    let headers = request.headers();
    let path = request.uri().path();
    if !has_token(headers, header::UPGRADE, "websocket") {
        return Upgrade::None;
    }
    #[cfg(feature = "testing")]
    let path = if path == super::echo::PATH { "/ws" } else { path };
    if path != "/" && path != "/ws" {
        return Upgrade::Refused(refused(StatusCode::NOT_FOUND, "the WebSocket is at / and /ws"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let fine = request.method() == Method::GET && has_token(headers, header::CONNECTION, "upgrade");
    let Some(key) = key.filter(|_| fine) else {
        return Upgrade::Refused(refused(StatusCode::BAD_REQUEST, "not a WebSocket upgrade"));
    };
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let mut response = refused(StatusCode::UPGRADE_REQUIRED, "WebSocket version 13 is needed");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Upgrade::Refused(response);
    }
    // The first of ours in the client's order.
    let offered = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL)
        .find_map(|name| [SUBPROTOCOL_MSGPACK, SUBPROTOCOL_JSON].into_iter().find(|known| *known == name));
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(name) = offered {
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    Upgrade::WebSocket { response, msgpack: offered == Some(SUBPROTOCOL_MSGPACK) }
}

fn tokens(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim))
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// Answers what is no upgrade.
pub fn respond<B>(runtime: &Runtime, request: &Request<B>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => plain(StatusCode::OK, "ok"),
        "/readyz" => ready(runtime),
        "/" | "/index.html" => page(request.headers()),
        path => asset(request.headers(), path.trim_start_matches('/')),
    }
}

/// 503 with what is missing, until everything that a client needs is there.
fn ready(runtime: &Runtime) -> Response<Body> {
    let failing: Vec<String> = match runtime.health.cached() {
        None => vec!["starting".to_owned()],
        Some(_) if runtime.control.stopping().is_some() => vec!["stopping".to_owned()],
        Some(health) => {
            let bad = |state| matches!(state, SubsystemState::Starting | SubsystemState::Failed);
            health.subsystems.into_iter().filter(|(_, subsystem)| bad(subsystem.state)).map(|(name, _)| name).collect()
        }
    };
    let status = if failing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = json!({ "ready": failing.is_empty(), "failing": failing }).to_string();
    let mut response = plain(status, text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn page(asked: &HeaderMap) -> Response<Body> {
    let mut response =
        of_ui(asked, "index.html").unwrap_or_else(|| plain(StatusCode::OK, Bytes::from_static(NO_UI.as_bytes())));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}

/// A file of the web UI, compressed for who takes it so.
fn of_ui(asked: &HeaderMap, path: &str) -> Option<Response<Body>> {
    let compressed = match Ui::get(&format!("{path}.gz"))?.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    let takes_gzip = tokens(asked, header::ACCEPT_ENCODING).any(|offered| {
        let (name, weight) = offered.split_once(';').unwrap_or((offered, "q=1"));
        name.trim() == "gzip" && weight.trim().trim_start_matches("q=").parse().is_ok_and(|weight: f32| weight > 0.0)
    });
    let mut response = if takes_gzip {
        let mut response = plain(StatusCode::OK, compressed);
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        let mut whole = Vec::new();
        match GzDecoder::new(&compressed[..]).read_to_end(&mut whole) {
            Ok(_) => plain(StatusCode::OK, whole),
            Err(error) => {
                tracing::error!(path, %error, "a file of the web UI that cannot be decompressed");
                return Some(plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "this part of the page is damaged; the log says more",
                ));
            }
        }
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    Some(response)
}

fn asset(asked: &HeaderMap, path: &str) -> Response<Body> {
    let Some(mut response) = of_ui(asked, path) else { return plain(StatusCode::NOT_FOUND, "not found") };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    // Names under assets/ carry a hash of their content.
    if path.starts_with("assets/") {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// An answer after which the connection is closed: who was turned away holds no place.
pub fn refused(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = plain(status, text);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A short answer that no browser may frame, sniff, keep or share.
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}
