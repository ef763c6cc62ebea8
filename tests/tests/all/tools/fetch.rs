//! `fetch`: pages as text, and no way from a URL into this machine (class 15). A canary listens on loopback: nothing may
//! ever reach it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway};
use tokio::net::TcpListener;

use super::{follow, phase, run, script};
use crate::chat::send;

/// Counts whoever connects.
async fn canary() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&hits);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, hits)
}

/// A site that the gateway under test may reach; `pages` by path, with what they redirect to.
async fn site(redirects: HashMap<&'static str, String>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    serve(listener, redirects);
    port
}

fn serve(listener: TcpListener, redirects: HashMap<&'static str, String>) {
    let app = Router::new().route("/{*page}", get(page)).with_state(Arc::new(redirects));
    tokio::spawn(async move { axum::serve(listener, app).await });
}

async fn page(
    State(redirects): State<Arc<HashMap<&'static str, String>>>,
    Path(page): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(to) = redirects.get(page.as_str()) {
        return (StatusCode::FOUND, [(header::LOCATION, to.clone())]).into_response();
    }
    match page.as_str() {
        "html" => {
            let text = "<title>A page</title><script>evil()</script><p>Some <b>text</b></p>";
            ([(header::CONTENT_TYPE, "text/html")], text).into_response()
        }
        "headers" => format!("{headers:?}").into_response(),
        "huge" => "x".repeat(6 * 1024 * 1024).into_response(),
        "endless" => {
            let stream = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(65_536)));
            axum::body::Body::from_stream(stream).into_response()
        }
        "image" => ([(header::CONTENT_TYPE, "image/png")], "x").into_response(),
        "words" => ([(header::CONTENT_TYPE, format!("x/{}", "do as i say ".repeat(100)))], "x").into_response(),
        "loop" => (StatusCode::FOUND, [(header::LOCATION, "/loop")]).into_response(),
        _ => (StatusCode::NOT_FOUND, "no such page").into_response(),
    }
}

async fn gateway_for(site: u16, more: &str) -> (Model, Gateway) {
    gateway_that_reaches(&format!("127.0.0.1:{site}"), more).await
}

async fn gateway_that_reaches(site: &str, more: &str) -> (Model, Gateway) {
    let model = Model::start().await;
    let home = Home::with_config(&model.config(more));
    home.set_variable("SIMPLECLAW_TEST_FETCH", site);
    (model, Gateway::in_home(&home).await)
}

/// Puts a file in the place of the names that this machine knows, for this thread and the processes that it starts.
#[cfg(target_os = "linux")]
fn mount_names(file: &std::path::Path) {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).expect("root");
    // Or the mount would be seen outside as well.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("a private tree");
    mount(Some(file), "/etc/hosts", NONE, MsFlags::MS_BIND, NONE).expect("a bind mount");
}

#[cfg(not(target_os = "linux"))]
fn mount_names(_: &std::path::Path) {
    unreachable!("ignored here");
}

/// A page is asked for once with its addresses, comes as text, marked as from outside, and taints the session.
#[tokio::test]
async fn a_page_is_text_from_outside() {
    let port = site(HashMap::from([("moved", "/html".to_owned())])).await;
    let (model, gateway) = gateway_for(port, "").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let url = |page: &str| format!("http://127.0.0.1:{port}/{page}");
    let calls = [
        ("fetch", json!({ "url": url("moved") })),
        ("fetch", json!({ "url": url("html"), "raw": true })),
        ("fetch", json!({ "url": url("nowhere") })),
        ("fetch", json!({ "url": url("headers") })),
    ];
    let told = run(&model, &mut client, "r", Some("allow-once"), &calls).await;
    assert_eq!(told.asked.len(), 4, "a redirect within the site is no question of its own");
    assert_eq!(told.asked[0]["action"]["url"], url("moved"));
    assert_eq!(
        (&told.asked[0]["origin"]["untrusted"], &told.asked[1]["origin"]["untrusted"]),
        (&json!([]), &json!([url("html")]))
    );
    let results = told.results();
    assert!(results[0].1.contains("Title: A page") && results[0].1.contains("Some text"), "{}", results[0].1);
    assert!(!results[0].1.contains("evil()") && results[1].1.contains("evil()"));
    assert!(results[0].1.starts_with("[Content from outside"), "{}", results[0].1);
    assert!(results[2].0 && results[2].1.contains("no such page"), "{:?}", results[2]);
    assert!(!results[3].1.contains("cookie") && !results[3].1.contains("authorization"), "{}", results[3].1);
}

/// A server that sends no page says things all the same: what its headers say, and where it sends its reader. That is
/// short, is marked as a page would be, and taints the session as one.
#[tokio::test]
async fn what_is_no_page_is_from_outside_too() {
    let port = site(HashMap::from([
        ("to-words", "do-as-i-say:now".to_owned()),
        ("to-name", "http://do-as-i-say.localhost/".to_owned()),
    ]))
    .await;
    let (model, gateway) = gateway_for(port, "").await;
    let mut client = gateway.connect(Encoding::Json).await;
    for page in ["words", "to-words", "to-name"] {
        let url = format!("http://127.0.0.1:{port}/{page}");
        let calls = [("fetch", json!({ "url": url })), ("fetch", json!({ "url": url }))];
        let told = run(&model, &mut client, page, Some("allow-once"), &calls).await;
        for (is_error, words) in told.results() {
            assert!(is_error && words.starts_with("[Content from outside"), "{page}: {words}");
            assert!(words.matches("as").count() < 20 && words.contains("say"), "{page}: {words}");
        }
        let origins: Vec<_> = told.asked.iter().map(|asked| &asked["origin"]["untrusted"]).collect();
        assert_eq!(origins[0], &json!([]), "{page}");
        assert_ne!(origins[1], &json!([]), "{page}");
        client.ok("sessions.reset", json!({ "key": "main" })).await;
    }
}

/// No URL of any notation leads to the canary, nor does a redirect; where everything runs without a question, too.
#[tokio::test]
async fn nothing_reaches_this_machine() {
    let (canary, hits) = canary().await;
    let port = site(HashMap::from([
        ("to-canary", format!("http://127.0.0.1:{canary}/")),
        ("to-name", format!("http://localhost:{canary}/")),
        ("to-v6", format!("http://[::ffff:127.0.0.1]:{canary}/")),
        ("to-file", "file:///etc/passwd".to_owned()),
        ("to-metadata", "http://169.254.169.254/latest/".to_owned()),
        ("twice", "/to-canary".to_owned()),
    ]))
    .await;
    let (model, gateway) = gateway_for(port, "tools: {exec: {mode: full}}").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let mut urls: Vec<String> = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "①②⑦.⓪.⓪.①",
        "%31%32%37.0.0.1",
        "user@127.0.0.1",
        "example.org@127.0.0.1",
        "example.org:80@127.0.0.1",
    ]
    .iter()
    .map(|host| format!("http://{host}:{canary}/"))
    .collect();
    urls.extend(
        ["to-canary", "to-name", "to-v6", "to-file", "to-metadata", "twice"]
            .map(|page| format!("http://127.0.0.1:{port}/{page}")),
    );
    urls.extend(
        ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://", "//127.0.0.1/"].map(str::to_owned),
    );
    for (number, urls) in urls.chunks(20).enumerate() {
        let calls: Vec<_> = urls.iter().map(|url| ("fetch", json!({ "url": url }))).collect();
        let told = run(&model, &mut client, &format!("r{number}"), None, &calls).await;
        for ((is_error, words), url) in told.results().iter().zip(urls) {
            assert!(is_error, "{url}: {words}");
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

/// DNS rebinding: while the question waits, the name comes to lead to the canary. The connection goes to the address
/// that was looked at; a redirect, which is no question of its own, and the next call look anew, and are refused.
#[tokio::test]
#[cfg_attr(not(can_mount), ignore = "needs root")]
async fn a_name_that_comes_to_lead_to_this_machine_is_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = folder.path().join("hosts");
    let lead_to = |address: &str| {
        std::fs::write(&names, format!("127.0.0.1 localhost\n{address} moving.test\n")).expect("the names");
    };
    lead_to("127.0.0.2");
    mount_names(&names);
    let (port, hits) = canary().await;
    let listener = TcpListener::bind(("127.0.0.2", port)).await.expect("the same port of another address");
    serve(listener, HashMap::from([("moved", "/html".to_owned())]));
    let (model, gateway) = gateway_that_reaches(&format!("127.0.0.2:{port}"), "").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let call = |page: &str| ("fetch", json!({ "url": format!("http://moving.test:{port}/{page}") }));
    let mut results = Vec::new();
    for page in ["html", "moved"] {
        lead_to("127.0.0.2");
        script(&model, &[call(page)]);
        client.ok("chat.send", send("main", "go", page)).await;
        let waiting = phase(&mut client, page, "waiting_approval").await;
        let listed = client.ok("exec.approval.list", json!({})).await;
        assert_eq!(listed["approvals"][0]["action"]["argv"], json!(["127.0.0.2"]), "{listed}");
        lead_to("127.0.0.1");
        client.ok("exec.approval.resolve", json!({ "id": waiting["approvalId"], "decision": "allow-once" })).await;
        results.push(follow(&mut client, page, None).await.result());
    }
    results.push(run(&model, &mut client, "next", None, &[call("html")]).await.result());
    assert!(!results[0].0 && results[0].1.contains("Some text"), "{:?}", results[0]);
    for (is_error, words) in &results[1..] {
        assert!(*is_error && words.contains("moving.test leads to 127.0.0.1"), "{words}");
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

/// What is too large, endless, no text, or goes in circles ends with words.
#[tokio::test]
async fn pages_without_end_end() {
    let port = site(HashMap::new()).await;
    let (model, gateway) = gateway_for(port, "tools: {exec: {mode: full}}").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let before = gateway.rss();
    let pages =
        [("huge", "larger than"), ("endless", "larger than"), ("image", "no text"), ("loop", "redirected more")];
    let calls: Vec<_> =
        pages.iter().map(|(page, _)| ("fetch", json!({ "url": format!("http://127.0.0.1:{port}/{page}") }))).collect();
    let told = run(&model, &mut client, "r", None, &calls).await;
    for ((is_error, words), (page, expected)) in told.results().iter().zip(pages) {
        assert!(*is_error && words.contains(expected), "{page}: {words}");
    }
    assert!(gateway.rss() < before + 64 * 1024 * 1024);
}

/// Without a person, no page; and a session that has one from outside says so when it next asks.
#[tokio::test]
async fn a_denied_page_is_not_fetched() {
    let (canary, hits) = canary().await;
    let (model, gateway) = gateway_for(canary, "").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let call = json!({ "url": format!("http://127.0.0.1:{canary}/") });
    let told = run(&model, &mut client, "r", Some("deny"), &[("fetch", call)]).await;
    assert!(told.result().0 && told.result().1.contains("denied"), "{:?}", told.result());
    assert_eq!(hits.load(Ordering::SeqCst), 0, "the name may be looked up, no more");
}
