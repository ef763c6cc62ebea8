//! Ending and starting: graceful, by signal, by crash, beside another one, and not at all (protocol.md 8; trust.md P6,
//! P12).

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway};

use crate::chat::{history, send, with_model};

/// `gateway.shutdown` is answered, told to everyone, closes with 1013 and ends the process with 0.
#[tokio::test]
async fn a_shutdown_says_goodbye() {
    let mut gateway = Gateway::start().await;
    let mut other = gateway.connect(Encoding::Json).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    assert_eq!(client.ok("gateway.shutdown", json!({ "idempotencyKey": "bye" })).await, json!({ "stopping": true }));
    for client in [&mut client, &mut other] {
        assert_eq!(client.event_named("shutdown").await["payload"], json!({ "reason": "shutdown" }));
        assert_eq!(client.closed().await, Some(1013));
    }
    assert_eq!(gateway.exited().await.code(), Some(0));
    // The key belongs to a shutdown that happened: a repeat after the next start has no second effect.
    let gateway = Gateway::in_home(&gateway.home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    assert_eq!(client.ok("gateway.shutdown", json!({ "idempotencyKey": "bye" })).await, json!({ "stopping": true }));
    client.ok("status", json!({})).await;
}

/// `gateway.restart` closes with 1012 and comes back with another boot in the same process.
#[tokio::test]
async fn a_restart_comes_back() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let boot = client.hello["server"]["bootId"].clone();
    client.ok("gateway.restart", json!({})).await;
    let told = client.event_named("shutdown").await["payload"].clone();
    assert_eq!(told["reason"], "restart");
    assert!(told["restartExpectedMs"].as_u64().is_some_and(|wait| wait > 0), "{told}");
    assert_eq!(client.closed().await, Some(1012));
    let lock = gateway.home.path().join("gateway.lock");
    let began = Instant::now();
    let url = loop {
        let text = std::fs::read_to_string(&lock).unwrap_or_default();
        let owner: Value = serde_json::from_str(&text).unwrap_or_default();
        if owner["bootId"].is_string() && owner["bootId"] != boot {
            break owner["url"].as_str().expect("a URL").to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no new start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let opening = simpleclaw_tests::raw::Opening::default();
    let mut client = simpleclaw_tests::RawClient::open(port, Encoding::Json, &opening).await.expect("the upgrade");
    assert_eq!(client.handshake(gateway.params(json!({}))).await["ok"], true);
    assert_ne!(client.hello["server"]["bootId"], boot);
}

/// SIGTERM during a run ends the process with 0; the run ends as INTERRUPTED with the text so far, in the history once.
#[tokio::test]
async fn a_sigterm_interrupts_what_runs_once() {
    let (model, mut gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("So far".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "go", "r")).await;
    client.event_where("text", |event| event["delta"] == "So far").await;
    gateway.signal(Signal::SIGTERM);
    client.event_named("shutdown").await;
    let late = client.call("chat.send", send("main", "too late", "late")).await;
    assert_eq!((&late["error"]["code"], &late["error"]["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{late}");
    let end = client.run_to_end("r").await.pop().expect("an end");
    assert_eq!((&end["state"], &end["error"]["code"]), (&json!("error"), &json!("INTERRUPTED")), "{end}");
    assert_eq!(client.closed().await, Some(1013));
    assert_eq!(gateway.exited().await.code(), Some(0));
    check_interrupted(&gateway.home, "So far").await;
}

/// After a crash the run ends as INTERRUPTED too, once, whatever of its text was saved, also over a second restart.
#[tokio::test]
async fn a_crash_interrupts_what_ran_once() {
    let (model, gateway) = with_model("").await;
    let text =
        vec![Step::Delta("So".into()), Step::Pause(Duration::from_millis(600)), Step::Delta(" far".into()), Step::Hang];
    model.script([Answer::Stream(text)]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "go", "r")).await;
    client.event_where("text", |event| event["delta"] == " far").await;
    let home = gateway.crash().await;
    check_interrupted(&home, "").await;
    check_interrupted(&home, "").await;
}

async fn check_interrupted(home: &Home, text: &str) {
    let gateway = Gateway::in_home(home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = client.ok("runs.get", json!({ "runId": "r" })).await;
    assert_eq!((&run["state"], &run["error"]["code"]), (&json!("error"), &json!("INTERRUPTED")), "{run}");
    let messages = history(&mut client, "main").await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!((&messages[1]["status"], &messages[1]["error"]["code"]), (&json!("interrupted"), &json!("INTERRUPTED")));
    let kept = messages[1]["content"][0]["text"].as_str().unwrap_or_default();
    assert!("So far".starts_with(kept) && kept.starts_with(text), "{kept:?}");
    let again = client.ok("chat.send", send("main", "go", "r")).await;
    assert_eq!((&again["status"], &again["messageId"]), (&json!("error"), &messages[0]["id"]));
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!((&row["activeRunIds"], &row["status"]), (&json!([]), &json!("failed")));
    gateway.crash().await;
}

/// What waited when the process died is answered by the next start.
#[tokio::test]
async fn what_waited_is_answered_after_a_crash() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("busy".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("text", |event| event["delta"] == "busy").await;
    assert_eq!(client.ok("chat.send", send("main", "2", "r2")).await["status"], "queued");
    let home = gateway.crash().await;
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    while client.ok("runs.get", json!({ "runId": "r2" })).await["state"] != "ok" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let messages = history(&mut client, "main").await;
    let seqs: Vec<_> = messages.iter().map(|message| message["seq"].clone()).collect();
    assert_eq!(json!(seqs), json!([1, 2, 3, 4]));
    assert_eq!(messages.last().expect("an answer")["content"][0]["text"], "Hello.");
}

/// A second gateway on the same home ends with 75 and names the first, which goes on.
#[tokio::test]
async fn a_second_instance_names_the_first() {
    let gateway = Gateway::start().await;
    let failed = Gateway::try_in_home(&gateway.home, &["--port", "0"]).await.err().expect("no second one");
    assert_eq!(failed.exit, Some(75), "{failed:?}");
    assert_eq!(failed.line["event"], "failed");
    let words = failed.line["error"]["message"].as_str().expect("words");
    assert!(words.contains(&gateway.pid.to_string()), "{words} names no process");
    gateway.connect(Encoding::Json).await.ok("health", json!({})).await;
}

/// A port that somebody else has ends the start with 75, names the port, its owner and a free one, and leaves the other
/// alone.
#[tokio::test]
async fn a_taken_port_is_said() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let home = Home::with_config("models: {detect: false}\n");
    let failed = Gateway::try_in_home(&home, &["--port", &port]).await.err().expect("no start");
    assert_eq!(failed.exit, Some(75), "{failed:?}");
    let words = failed.line["error"]["message"].as_str().expect("words");
    assert!(words.contains(&port), "{words}");
    assert!(words.contains(&format!("(process {})", std::process::id())), "{words} does not name the owner");
    let (_, free) = words.split_once("--port ").expect("another port is offered");
    let free = free.trim_end_matches([')', '.']);
    tokio::net::TcpStream::connect(listener.local_addr().expect("an address")).await.expect("the other goes on");
    // The home is free again, and so is the port that was offered.
    let gateway = Gateway::try_in_home(&home, &["--port", free]).await.expect("starts");
    gateway.connect(Encoding::Json).await;
}

/// A configuration that is broken from the first start on ends with 78, line and column, and stays as it is.
#[tokio::test]
async fn a_broken_configuration_is_said_with_its_place() {
    for (text, line) in [
        ("gateway:\n  port: [\n", 2),
        ("gateway:\n  port: many\n", 2),
        ("gateway: {}\ngateway: {}\n", 2),
        ("models:\n  detect: false\nagents: 5\n", 3),
    ] {
        let home = Home::with_config(text);
        let failed = Gateway::try_in_home(&home, &["--port", "0"]).await.err().expect("no start");
        assert_eq!(failed.exit, Some(78), "{text:?}: {failed:?}");
        let words = failed.line["error"].to_string();
        assert_eq!(failed.line["event"], "failed");
        assert!(words.contains("config.yaml") || words.contains("line"), "{text:?}: {words}");
        let place = format!("{line}:");
        assert!(words.contains(&format!("line {line}")) || words.contains(&place), "{text:?}: {words}");
        assert_eq!(std::fs::read_to_string(home.path().join("config.yaml")).expect("the file"), text);
    }
}

/// After a good start a broken file does not prevent the next one: the last good version runs, and health says where
/// the mistake is.
#[tokio::test]
async fn the_last_good_configuration_runs() {
    let gateway = Gateway::with_config("models: {detect: false}\nagents: {entries: {main: {name: Good}}}\n").await;
    let home = gateway.crash().await;
    let broken = "models: {detect: false}\nagents:\n  entries: [\n";
    std::fs::write(home.path().join("config.yaml"), broken).expect("the file");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let problem = &client.hello["snapshot"]["health"]["configProblem"];
    assert!(problem["line"].as_u64() >= Some(3) && problem["column"].is_u64(), "{problem}");
    assert_eq!(client.ok("agents.list", json!({})).await["agents"][0]["name"], "Good");
    assert_eq!(std::fs::read_to_string(home.path().join("config.yaml")).expect("the file"), broken);
}

/// A file in the home's place ends the start with words that name it. (A home that may not be written: `durable`.)
#[tokio::test]
async fn a_home_that_is_no_folder_is_said() {
    let home = Home::new();
    std::fs::write(home.path(), "a file").expect("a file in the home's place");
    let failed = Gateway::try_in_home(&home, &["--port", "0"]).await.err().expect("no start");
    assert!(failed.exit.is_some_and(|code| code != 0), "{failed:?}");
    let words = failed.line["error"]["message"].as_str().expect("words");
    assert!(words.contains(&home.path().display().to_string()), "{words}");
}
