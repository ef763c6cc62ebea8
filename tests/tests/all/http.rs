//! What one can reach without a WebSocket, and who may open one (protocol.md 1 and 3).

use serde_json::json;
use simpleclaw_tests::http::{self, Answer};
use simpleclaw_tests::raw::Opening;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

/// The probes need no credential and say no more than they have to.
#[tokio::test]
async fn probes_answer_anyone() {
    let gateway = Gateway::start().await;
    let live = http::get(gateway.port, "/healthz").await;
    assert_eq!((live.status, live.body.as_str()), (200, "ok"));
    let began = std::time::Instant::now();
    loop {
        let ready = http::get(gateway.port, "/readyz").await;
        let body: serde_json::Value = serde_json::from_str(&ready.body).expect("JSON");
        if ready.status == 200 {
            assert_eq!(body, json!({ "ready": true, "failing": [] }));
            break;
        }
        assert_eq!((ready.status, &body["ready"]), (503, &json!(false)));
        assert!(body["failing"].as_array().is_some_and(|failing| !failing.is_empty()), "{body}");
        assert!(began.elapsed() < simpleclaw_tests::DEADLINE, "never ready: {body}");
    }
}

async fn upgrade(gateway: &Gateway, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    all.extend(headers);
    http::request(gateway.port, "GET", target, &all).await
}

/// Host and Origin are checked together before the upgrade and before any page; what is refused learns nothing.
#[tokio::test]
async fn host_and_origin_decide_before_the_upgrade() {
    let config = "models: {detect: false}\ngateway: {allowedOrigins: [\"https://claw.example\"], allowedHosts: [claw.example]}\n";
    let gateway = Gateway::with_config(config).await;
    let port = gateway.port;
    let hosts = [
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("127.0.0.1:9999", true),
        ("[::1]:1", true),
        ("claw.example", true),
        ("claw.example:443", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("", false),
        ("localhost:x", false),
        ("0.0.0.0", false),
    ];
    let mut refused = Vec::new();
    for (host, good_host) in hosts {
        let own = format!("http://{host}");
        let origins = [
            (None, true),
            (Some(own.as_str()), true),
            (Some("tauri://localhost"), true),
            (Some("http://tauri.localhost"), true),
            (Some("https://claw.example"), true),
            (Some("http://claw.example.evil"), false),
            (Some("http://localhost:1234"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (Some("file://"), false),
        ];
        for (origin, good_origin) in origins {
            let mut headers = vec![("Host", host), ("Sec-Fetch-Site", "cross-site")];
            headers.extend(origin.map(|origin| ("Origin", origin)));
            let expected = if good_host && good_origin { 101 } else { 403 };
            // An empty authority is no origin of ours, whatever the Host says.
            let answer = upgrade(&gateway, "/ws", &headers).await;
            assert_eq!(answer.status, expected, "{headers:?}");
            let page = http::request(port, "GET", "/healthz", &headers).await;
            assert_eq!(page.status, if expected == 101 { 200 } else { 403 }, "{headers:?}");
            if expected == 403 {
                refused.extend([answer.body, page.body]);
            }
        }
    }
    for headers in [
        &[][..],
        &[("Host", "localhost"), ("Host", "localhost")],
        &[("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://evil.example")],
    ] {
        let answer = upgrade(&gateway, "/", headers).await;
        assert!(matches!(answer.status, 400 | 403), "{headers:?}: {answer:?}");
        if answer.status == 403 {
            refused.push(answer.body);
        }
    }
    refused.dedup();
    assert_eq!(refused, ["forbidden"], "every refusal reads the same");
}

/// A credential in a URL is refused: URLs end up in logs and histories.
#[tokio::test]
async fn a_credential_in_a_url_is_refused() {
    let gateway = Gateway::start().await;
    for query in ["token=x", "a=1&TOKEN=x", "access_token=x", "%74oken=x", "auth", "password=x", "a=1;token=x"] {
        let headers = [("Host", "localhost")];
        assert_eq!(upgrade(&gateway, &format!("/ws?{query}"), &headers).await.status, 403, "{query}");
        assert_eq!(http::request(gateway.port, "GET", &format!("/?{query}"), &headers).await.status, 403, "{query}");
    }
    assert_eq!(http::get(gateway.port, "/?page=sessions").await.status, 200);
}

/// The page and everything else forbid sniffing, framing and foreign scripts.
#[tokio::test]
async fn pages_carry_their_guards() {
    let gateway = Gateway::start().await;
    let page = http::get(gateway.port, "/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    let policy = page.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for target in ["/", "/index.html", "/healthz", "/readyz", "/no-such-page"] {
        let answer = http::get(gateway.port, target).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{target}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{target}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{target}");
    }
}

/// The page goes out compressed to whoever takes it so, and whole to everybody else.
#[tokio::test]
async fn the_page_is_compressed_for_whoever_takes_it_so() {
    let gateway = Gateway::start().await;
    for (offered, encoding) in [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1.0, gzip;q=0.8", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=x", ""),
        ("br", ""),
    ] {
        let headers = [("Host", "localhost"), ("Accept-Encoding", offered)];
        let answer = http::request(gateway.port, "GET", "/", &headers).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, encoding), "{offered}");
        assert_eq!(answer.header("vary"), "accept-encoding", "{offered}");
        assert_eq!(answer.body.contains("<html"), encoding.is_empty(), "{offered}: {}", answer.body);
    }
}

/// A path leads to a file of the page or to nothing, never out of it.
#[tokio::test]
async fn paths_stay_inside() {
    let gateway = Gateway::start().await;
    for target in [
        "/../Cargo.toml",
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/../../../../etc/passwd",
        "/.\\..\\..\\etc\\passwd",
        "/token",
        "/config.yaml",
        "/state/gateway.db",
    ] {
        let answer = http::get(gateway.port, target).await;
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
        assert!(!answer.body.contains("root:") && !answer.body.contains(&gateway.token), "{target}");
    }
}

/// Only GET and HEAD exist, and a HEAD has the headers of its GET and no body.
#[tokio::test]
async fn only_get_and_head() {
    let gateway = Gateway::start().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let headers = [("Host", "localhost"), ("Content-Length", "0")];
        assert_eq!(http::request(gateway.port, method, "/", &headers).await.status, 405, "{method}");
    }
    for target in ["/", "/healthz", "/readyz"] {
        let get = http::get(gateway.port, target).await;
        let head = http::request(gateway.port, "HEAD", target, &[("Host", "localhost")]).await;
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
        assert_eq!(head.header("content-length"), get.header("content-length"), "{target}");
    }
}

/// The WebSocket is at `/` and `/ws` and nowhere else, and an upgrade that is none is said to be none.
#[tokio::test]
async fn the_websocket_has_two_addresses() {
    let gateway = Gateway::start().await;
    for (path, found) in [("/", true), ("/ws", true), ("/ws/", false), ("/healthz", false), ("/socket", false)] {
        let opening = Opening { path: path.into(), ..Opening::default() };
        match RawClient::open(gateway.port, Encoding::Json, &opening).await {
            Ok(mut client) => {
                assert!(found, "{path}");
                assert_eq!(client.handshake(gateway.params(json!({}))).await["ok"], true);
            }
            Err(refused) => assert!(!found && refused.status() == 404, "{path}: {refused:?}"),
        }
    }
    let host = ("Host", "localhost");
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    let (connection, upgrade) = (("Connection", "Upgrade"), ("Upgrade", "websocket"));
    for (headers, status) in [
        (vec![host, connection, upgrade, key, ("Sec-WebSocket-Version", "8")], 426),
        (vec![host, connection, upgrade, key], 426),
        (vec![host, connection, upgrade, ("Sec-WebSocket-Version", "13")], 400),
        (vec![host, upgrade, key, ("Sec-WebSocket-Version", "13")], 400),
    ] {
        assert_eq!(http::request(gateway.port, "GET", "/ws", &headers).await.status, status, "{headers:?}");
    }
}

/// Bytes that are no HTTP get an error or an end, and the gateway goes on.
#[tokio::test]
async fn noise_on_the_port_is_survived() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let gateway = Gateway::start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-A: b\r\n".repeat(20_000));
    for noise in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0", b"GET\r\n\r\n", long.as_bytes(), many.as_bytes()] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", gateway.port)).await.expect("it listens");
        // It may hang up in the middle of the noise.
        let _ = stream.write_all(noise).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = simpleclaw_tests::within(simpleclaw_tests::DEADLINE, "end of the connection", read).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(http::get(gateway.port, "/healthz").await.status, 200);
}
