//! Graceful and hard restarts, and homes that a gateway must not take.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{DEADLINE, Encoding, Gateway, RawClient, within};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{history, text, until_idle};

async fn send(client: &mut RawClient, session: &str, message: &str) -> String {
    let key = uuid::Uuid::new_v4().to_string();
    let params = json!({ "sessionKey": session, "message": message, "idempotencyKey": key });
    client.ok("chat.send", params).await;
    key
}

/// Asks for a restart and comes back once the same process listens again, on the same port.
async fn restart(gateway: &Gateway, client: &mut RawClient) -> RawClient {
    let before = client.ok("status", json!({})).await;
    assert_eq!(client.ok("gateway.restart", json!({})).await, json!({ "stopping": true }));
    assert_eq!(client.closed().await, Some(1012));
    // The lock file names who listens now; the port alone may still be that of the life before.
    let lock = gateway.home.path().join("gateway.lock");
    let back = async {
        loop {
            let owner: Value = serde_json::from_slice(&std::fs::read(&lock).unwrap_or_default()).unwrap_or_default();
            if owner["bootId"].is_string() && owner["bootId"] != before["bootId"] {
                return owner;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let owner = within(DEADLINE, "gateway after the restart", back).await;
    assert_eq!(owner["url"], format!("ws://127.0.0.1:{}", gateway.port), "the address is kept");
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let after = client.ok("status", json!({})).await;
    assert_eq!((&after["pid"], &before["pid"]), (&json!(gateway.pid), &json!(gateway.pid)));
    assert_ne!(after["bootId"], before["bootId"]);
    client
}

/// Everything that a client can read of the sessions.
async fn everything(client: &mut RawClient) -> Value {
    let sessions = client.ok("sessions.list", json!({})).await;
    let mut histories = Vec::new();
    for session in sessions["sessions"].as_array().expect("sessions") {
        histories.push(history(client, session["key"].as_str().expect("a key")).await);
    }
    json!([sessions, histories])
}

/// History, sessions, pause, what waits, and the answers to keys are the same after a restart over the wire.
#[tokio::test]
async fn a_restart_over_the_wire_changes_nothing() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = send(&mut client, "main", "first").await;
    client.run_to_end(&run).await;
    let inject = json!({ "sessionKey": "agent:main:notes", "message": "a note", "idempotencyKey": "inject-1" });
    let injected = client.ok("chat.inject", inject.clone()).await;
    let reset = json!({ "key": "agent:main:notes", "idempotencyKey": "reset-1" });
    let was_reset = client.ok("sessions.reset", reset.clone()).await;
    client.ok("chat.inject", json!({ "sessionKey": "agent:main:notes", "message": "another" })).await;
    client.ok("gateway.pause", json!({})).await;
    let waiting = [
        send(&mut client, "main", "waits").await,
        send(&mut client, "main", "waits longer").await,
        send(&mut client, "agent:main:other", "waits elsewhere").await,
    ];
    let before = everything(&mut client).await;

    let mut client = restart(&gateway, &mut client).await;
    assert_eq!(client.ok("health", json!({})).await["paused"], true);
    // What `auto` stands for is known once the models are, and the rows show it.
    client.ok("models.list", json!({})).await;
    assert_eq!(everything(&mut client).await, before);
    assert_eq!(client.ok("chat.inject", inject.clone()).await, injected);
    assert_eq!(client.ok("sessions.reset", reset.clone()).await, was_reset);
    let other = json!({ "sessionKey": "agent:main:notes", "message": "other", "idempotencyKey": "inject-1" });
    assert_eq!(client.err("chat.inject", other).await["code"], "CONFLICT");
    assert_eq!(everything(&mut client).await, before, "a repeated key has no second effect");
    assert_eq!(model.calls().len(), 1, "nothing ran while agents are paused");

    client.ok("gateway.resume", json!({})).await;
    until_idle(&mut client).await;
    for run in waiting {
        assert_eq!(client.ok("runs.get", json!({ "runId": run })).await["state"], "ok");
    }
    let texts: Vec<String> = history(&mut client, "agent:main:main").await.iter().map(text).collect();
    assert_eq!(texts, ["first", "Hello.", "waits", "waits longer", "Hello.", "Hello."]);
    assert_eq!(model.faults(), Vec::<String>::new());

    // The keys hold over a crash, too.
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(client.ok("chat.inject", inject).await, injected);
    assert_eq!(client.ok("sessions.reset", reset).await, was_reset);
    assert_eq!(client.ok("health", json!({})).await["paused"], false);
}

/// A run that outlasts the patience of a restart ends as interrupted, with all of its text.
#[tokio::test]
async fn a_restart_keeps_the_text_of_a_run_that_it_cuts_off() {
    let model = Model::start().await;
    model.script([Answer::Stream(vec![Step::Delta("so ".into()), Step::Delta("far".into()), Step::Hang])]);
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = send(&mut client, "main", "tell me").await;
    client.event_where("the second delta", |event| event["delta"] == "far").await;
    let mut client = restart(&gateway, &mut client).await;
    let ended = client.ok("runs.get", json!({ "runId": run })).await;
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("error"), &json!("INTERRUPTED")));
    let messages = history(&mut client, "main").await;
    assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), ["tell me", "so far"]);
    assert_eq!(messages[1]["status"], "interrupted");
}

/// After a crash the text of a run is there as it was half a second before.
#[tokio::test]
async fn a_crash_costs_at_most_half_a_second_of_text() {
    let model = Model::start().await;
    let word = |number: usize| Step::Delta(format!("w{number} "));
    model.script([Answer::Stream(
        (0..1000).flat_map(|number| [word(number), Step::Pause(Duration::from_millis(20))]).collect(),
    )]);
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = send(&mut client, "main", "talk").await;
    let began = Instant::now();
    let mut heard: Vec<(Instant, String)> = Vec::new();
    while began.elapsed() < Duration::from_millis(1_900) {
        let event = client.event_where("a delta", |event| event["state"] == "delta").await;
        heard.push((Instant::now(), event["delta"].as_str().expect("a delta").to_owned()));
    }
    let killed = Instant::now();
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let messages = history(&mut client, "main").await;
    let [_, cut] = messages.as_slice() else { panic!("two messages: {messages:?}") };
    assert_eq!((&cut["status"], &cut["error"]["code"]), (&json!("interrupted"), &json!("INTERRUPTED")));
    assert_eq!(client.ok("runs.get", json!({ "runId": run })).await["state"], "error");
    // Half a second between two saves, and half of one for the commit of the last on a busy machine.
    let must: String =
        heard.iter().filter(|(at, _)| killed - *at > Duration::from_secs(1)).map(|(_, w)| &**w).collect();
    let kept = text(cut);
    assert!(!must.is_empty() && kept.starts_with(&must), "{kept:?} lacks some of {must:?}");
}

/// Input that waited is answered with itself in the model's window, however much waits behind it.
#[tokio::test]
async fn much_waiting_input_is_taken_up_in_order() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("gateway.pause", json!({})).await;
    let filler = "and so on ".repeat(800);
    for number in 0..60 {
        send(&mut client, "main", &format!("{filler}\nquestion {number}")).await;
    }
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("gateway.resume", json!({})).await;
    until_idle(&mut client).await;
    let last_line = |call: &Value| {
        let last = call["messages"].as_array().and_then(|all| all.last()).expect("messages");
        last["content"].as_str().and_then(|text| text.lines().last()).expect("text").to_owned()
    };
    let asked: Vec<String> = model.calls().iter().map(last_line).collect();
    assert_eq!(asked, (0..60).map(|number| format!("question {number}")).collect::<Vec<_>>());
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// What a crash left in the write-ahead log is read, also where the folder has been moved since.
#[tokio::test]
async fn a_log_left_by_a_crash_is_used() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    let run = send(&mut client, "main", "Hello!").await;
    client.run_to_end(&run).await;
    let before = history(&mut client, "main").await;
    let left = gateway.crash().await;
    let wal = left.path().join("state/gateway.db-wal");
    assert!(wal.metadata().expect("a write-ahead log").len() > 0, "the crash left nothing to recover");
    let moved = Home::new();
    std::fs::rename(left.path(), moved.path()).expect("another folder");
    let gateway = Gateway::in_home(&moved).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(history(&mut client, "main").await, before);
}

/// A database from a newer version is left alone, in words.
#[tokio::test]
async fn a_newer_database_is_refused() {
    let mut gateway = Gateway::start().await;
    gateway.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(gateway.exited().await.code(), Some(0));
    let home = gateway.home.clone();
    let file = home.path().join("state/gateway.db");
    let mut db = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.expect("the database");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut db).await.expect("a row");
    db.close().await.expect("closed");
    let bytes = std::fs::read(&file).expect("the database");

    let failed = Gateway::try_in_home(&home, &["--port", "0"]).await.err().expect("it must not start");
    assert_eq!(failed.exit, Some(1));
    assert_eq!(failed.line["event"], "failed");
    let words = failed.line["error"]["message"].as_str().expect("words");
    assert!(words.contains("newer version of SimpleClaw") && words.contains("install"), "{words}");
    assert_eq!(std::fs::read(&file).expect("the database"), bytes, "and it is not touched");
    assert_eq!(super::damage::aside(&home), Vec::<std::path::PathBuf>::new(), "nor taken for damaged");
}

/// One home has one gateway.
#[tokio::test]
async fn a_second_gateway_on_one_home_ends_with_75() {
    let gateway = Gateway::start().await;
    let failed = Gateway::try_in_home(&gateway.home, &["--port", "0"]).await.err().expect("it must not start");
    assert_eq!((failed.exit, &failed.line["error"]["code"]), (Some(75), &json!("LOCKED")));
    let words = failed.line["error"]["message"].as_str().expect("words");
    assert!(words.contains(&gateway.pid.to_string()), "it does not name the owner: {words}");
    gateway.connect(Encoding::Json).await.ok("status", json!({})).await;
}
