//! A tool that has to ask: allowed, denied, not answered, over a restart; and that nothing else is done than was shown.

use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::fakes::Answer;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::{follow, phase, run, script, workspace};
use crate::approvals::verified;
use crate::chat::{send, with_model};

/// Wants more than the sandbox gives, wherever there is one.
fn asking(command: &str) -> Value {
    json!({ "command": command, "unconfined": true, "description": "as the model says" })
}

/// The question says exactly what would run; after a yes that runs, once, and the phases are told in order.
#[tokio::test]
async fn what_was_allowed_is_done() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let command = "echo once >> ran; cat ran";
    let told = run(&model, &mut client, "r", Some("allow-once"), &[("exec", asking(command))]).await;
    let asked = &told.asked[0];
    assert_eq!(told.asked.len(), 1);
    assert_eq!((&asked["action"]["kind"], &asked["action"]["script"]), (&json!("script"), &json!(command)));
    assert_eq!((&asked["sessionKey"], &asked["agentId"]), (&json!("agent:main:main"), &json!("main")));
    assert_eq!(asked["origin"]["channel"], "webchat");
    let allowed = asked["allowedDecisions"].as_array().expect("a list");
    assert!(!allowed.contains(&json!("allow-always")), "no rule is made of a script: {allowed:?}");
    let phases: Vec<_> = told.phases.iter().filter_map(|phase| phase["phase"].as_str()).collect();
    assert_eq!(phases.first(), Some(&"start"));
    assert_eq!(phases.get(1), Some(&"waiting_approval"));
    assert_eq!(phases.last(), Some(&"result"));
    assert_eq!(told.phases[1]["approvalId"], asked["id"]);
    let (is_error, words) = told.result();
    // Whatever ran without walls may have read anything.
    assert!(!is_error && words.starts_with("[Content from outside") && words.contains("\nonce\n"), "{words}");
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("ran")).expect("it ran"), "once\n");
}

/// A no is told to the model in words, and nothing is done.
#[tokio::test]
async fn what_was_denied_is_not_done() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let told = run(&model, &mut client, "r", Some("deny"), &[("exec", asking("echo x > ran"))]).await;
    let (is_error, words) = told.result();
    assert!(is_error && words.contains("denied") && words.contains("was not done"), "{words}");
    assert_eq!(told.end["state"], "final", "the run goes on without it");
    assert!(!workspace(&gateway).join("ran").exists());
}

/// While a run waits, it and its session say so, it takes no place among those that go, and no time of its own.
#[tokio::test]
async fn a_waiting_run_costs_nothing() {
    let (model, gateway) = with_model("agents: {maxConcurrentRuns: 1}").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    script(&model, &[("exec", asking("echo x"))]);
    let mut params = send("main", "go", "waits");
    params["timeoutMs"] = 3_000.into();
    client.ok("chat.send", params).await;
    let waiting = phase(&mut client, "waits", "waiting_approval").await;
    assert_eq!(client.ok("runs.get", json!({ "runId": "waits" })).await["state"], "waiting_approval");
    let session = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!(session["status"], "waiting_approval");
    // `done` was meant for the one that waits; the next call of the model is another session's.
    client.ok("chat.send", send("agent:main:other", "hi", "other")).await;
    assert_eq!(client.run_to_end("other").await.pop().expect("an end")["state"], "final");
    // Longer than the run may take.
    tokio::time::sleep(Duration::from_millis(3_200)).await;
    let answer = json!({ "id": waiting["approvalId"], "decision": "allow-once" });
    client.ok("exec.approval.resolve", answer).await;
    let told = follow(&mut client, "waits", None).await;
    assert_eq!((&told.end["state"], told.result().0), (&json!("final"), false), "{}", told.end);
}

/// Files that are another after they were shown are not run: what was allowed is asked for anew, or not at all.
#[tokio::test]
async fn what_changed_meanwhile_is_not_run() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let script_file = workspace(&gateway).join("job.sh");
    std::fs::write(&script_file, "echo good\n").expect("a script");
    script(&model, &[("exec", json!({ "argv": ["sh", "job.sh"], "unconfined": true }))]);
    client.ok("chat.send", send("main", "go", "r")).await;
    let waiting = phase(&mut client, "r", "waiting_approval").await;
    std::fs::write(&script_file, "echo evil > ran\n").expect("a script");
    client.ok("exec.approval.resolve", json!({ "id": waiting["approvalId"], "decision": "allow-once" })).await;
    let told = follow(&mut client, "r", Some("deny")).await;
    let (is_error, words) = told.result();
    assert!(is_error && words.contains("nothing was run"), "{words}");
    assert!(!workspace(&gateway).join("ran").exists());

    // The same for a file that is to be written outside.
    let outside = tempfile::tempdir().expect("a folder");
    let path = outside.path().canonicalize().expect("canonical").join("letter");
    std::fs::write(&path, "one").expect("a file");
    script(&model, &[("write", json!({ "path": path, "content": "two" }))]);
    client.ok("chat.send", send("main", "go", "w")).await;
    let waiting = phase(&mut client, "w", "waiting_approval").await;
    std::fs::write(&path, "of somebody else").expect("a file");
    client.ok("exec.approval.resolve", json!({ "id": waiting["approvalId"], "decision": "allow-once" })).await;
    let told = follow(&mut client, "w", None).await;
    assert!(told.result().0 && told.result().1.contains("changed by somebody else"), "{:?}", told.result());
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "of somebody else");
}

/// What cannot be put on record is not done, whether a person allowed it or nobody had to; once it can be, it is.
#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let options = SqliteConnectOptions::new().filename(gateway.home.path().join("state/gateway.db"));
    let mut database = SqliteConnection::connect_with(&options).await.expect("opens");
    // Questions and answers are still recorded.
    let refuse = "CREATE TRIGGER no_launches BEFORE INSERT ON audit WHEN NEW.kind = 'launched' \
                  BEGIN SELECT RAISE(ABORT, 'the record is broken'); END";
    sqlx::query(refuse).execute(&mut database).await.expect("a trigger");
    let outside = tempfile::tempdir().expect("a folder");
    let letter = outside.path().canonicalize().expect("canonical").join("letter");
    let calls = [
        ("exec", asking("echo x > asked")),
        ("exec", json!({ "command": "echo x > inside" })),
        ("write", json!({ "path": letter, "content": "dear" })),
    ];
    let folder = workspace(&gateway);
    let files = [folder.join("asked"), folder.join("inside"), letter];
    let launched = json!({ "kind": "launched" });

    let told = run(&model, &mut client, "refused", Some("allow-once"), &calls).await;
    assert_eq!((told.results().len(), &told.end["state"]), (3, &json!("final")));
    for ((is_error, words), (call, file)) in told.results().iter().zip(calls.iter().zip(&files)) {
        let said = words.contains("nothing was done, because it could not be put on record");
        assert!(*is_error && said && words.contains("the record is broken"), "{call:?}: {words}");
        assert!(!file.exists(), "{call:?}");
    }
    assert_eq!(client.ok("exec.approval.history", launched.clone()).await["entries"], json!([]));

    sqlx::query("DROP TRIGGER no_launches").execute(&mut database).await.expect("no trigger");
    database.close().await.expect("closes");
    let told = run(&model, &mut client, "done", Some("allow-once"), &calls).await;
    for ((is_error, words), (call, file)) in told.results().iter().zip(calls.iter().zip(&files)) {
        assert!(!is_error && file.exists(), "{call:?}: {words}");
    }
    let rows = client.ok("exec.approval.history", launched).await["entries"].clone();
    assert_eq!(rows.as_array().map(Vec::len), Some(3), "{rows}");
    assert_eq!(verified(&mut client).await["ok"], true);
}

/// What a rule or the mode allows is on record as what a person allowed is, and is not done where it cannot be. What file
/// tools do in the workspace is nobody's to allow.
#[tokio::test]
async fn what_nobody_was_asked_about_is_on_record() {
    let launched = json!({ "kind": "launched" });
    let outside = tempfile::tempdir().expect("a folder");
    let outside = outside.path().canonicalize().expect("canonical");
    let letter = outside.join("letter");
    let (model, gateway) = with_model("tools: {exec: {mode: full}}").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let calls = [
        ("write", json!({ "path": letter, "content": "dear" })),
        ("read", json!({ "path": letter })),
        ("list", json!({ "path": outside })),
        ("search", json!({ "path": outside, "pattern": "." })),
    ];
    let told = run(&model, &mut client, "r", None, &calls).await;
    assert!(told.results().iter().all(|(is_error, _)| !is_error), "{:?}", told.results());
    let rows = client.ok("exec.approval.history", launched.clone()).await["entries"].clone();
    let noted: Vec<_> = rows.as_array().expect("rows").iter().map(|row| row["action"]["kind"].clone()).collect();
    assert_eq!(noted, ["search", "list", "read", "write"], "newest first");
    assert_eq!((&rows[3]["action"]["path"], &rows[3]["approvalId"]), (&json!(letter), &Value::Null));

    std::fs::remove_file(&letter).expect("the file");
    let options = SqliteConnectOptions::new().filename(gateway.home.path().join("state/gateway.db"));
    let mut database = SqliteConnection::connect_with(&options).await.expect("opens");
    let refuse = "CREATE TRIGGER no_launches BEFORE INSERT ON audit WHEN NEW.kind = 'launched' \
                  BEGIN SELECT RAISE(ABORT, 'the record is broken'); END";
    sqlx::query(refuse).execute(&mut database).await.expect("a trigger");
    database.close().await.expect("closes");
    let told = run(&model, &mut client, "refused", None, &calls[..1]).await;
    assert!(told.result().0 && told.result().1.contains("the record is broken"), "{:?}", told.result());
    assert!(!letter.exists());

    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let calls = [("write", json!({ "path": "a", "content": "x" })), ("read", json!({ "path": "a" }))];
    let told = run(&model, &mut client, "r", None, &calls).await;
    assert!(told.results().iter().all(|(is_error, _)| !is_error), "{:?}", told.results());
    assert_eq!(client.ok("exec.approval.history", launched).await["entries"], json!([]));
}

/// A run that waits is parked over the end of the gateway, graceful or not: the question is there again under its id, the
/// calls before it are not done twice, and after the answer it goes on.
#[tokio::test]
async fn a_question_survives_a_restart() {
    for crash in [false, true] {
        let (model, mut gateway) = with_model("").await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        // Two calls in one answer: the first is done when the second asks.
        let arguments = [json!({ "text": "noted once", "action": "note" }), asking("echo ran >> ran")];
        let call = |index: usize, name: &str| {
            json!({ "index": index, "id": format!("c{index}"),
                "function": { "name": name, "arguments": arguments[index].to_string() } })
        };
        let delta = json!({ "tool_calls": [call(0, "memory"), call(1, "exec")] });
        let event = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": "tool_calls" }] });
        let raw = [event.to_string(), "[DONE]".to_owned()].map(simpleclaw_tests::fakes::Step::Raw);
        model.script([Answer::Stream(raw.to_vec()), Answer::deltas(["done"])]);
        client.ok("chat.send", send("main", "go", "r")).await;
        let waiting = phase(&mut client, "r", "waiting_approval").await;
        let home: Home = if crash {
            gateway.crash().await
        } else {
            client.ok("gateway.shutdown", json!({})).await;
            assert_eq!(gateway.exited().await.code(), Some(0));
            gateway.home.clone()
        };
        let gateway = Gateway::in_home(&home).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        let run = client.ok("runs.get", json!({ "runId": "r" })).await;
        assert_eq!(run["state"], "waiting_approval", "{run}");
        let listed = client.ok("exec.approval.list", json!({})).await;
        assert_eq!(listed["approvals"][0]["id"], waiting["approvalId"], "{listed}");
        client.ok("exec.approval.resolve", json!({ "id": waiting["approvalId"], "decision": "allow-once" })).await;
        while client.ok("runs.get", json!({ "runId": "r" })).await["state"] != "ok" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let folder = workspace(&gateway);
        assert_eq!(std::fs::read_to_string(folder.join("ran")).expect("it ran"), "ran\n", "crash: {crash}");
        assert_eq!(std::fs::read_to_string(folder.join("MEMORY.md")).expect("the notes"), "- noted once\n");
        assert_eq!(model.faults(), Vec::<String>::new());
    }
}

/// Values of variables do not outlive the gateway. Until the run goes on and shows them again, the question can be denied
/// and not allowed; then everybody is told of it anew.
#[tokio::test]
async fn what_is_not_shown_cannot_be_allowed() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let mut call = asking("echo \"$GREETING\" > ran");
    call["env"] = json!({ "GREETING": "hello" });
    script(&model, &[("exec", call)]);
    client.ok("chat.send", send("main", "go", "r")).await;
    let waiting = phase(&mut client, "r", "waiting_approval").await;
    let home = gateway.crash().await;
    // The next gateway begins paused, so that the run does not go on by itself.
    let options = SqliteConnectOptions::new().filename(home.path().join("state/gateway.db"));
    let mut database = SqliteConnection::connect_with(&options).await.expect("opens");
    let pause = "INSERT INTO meta (key, value) VALUES ('paused', '1') ON CONFLICT (key) DO UPDATE SET value = '1'";
    sqlx::query(pause).execute(&mut database).await.expect("paused");
    database.close().await.expect("closes");

    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let listed = client.ok("exec.approval.list", json!({})).await["approvals"][0].clone();
    assert_eq!((&listed["id"], &listed["action"]["envNames"]), (&waiting["approvalId"], &json!(["GREETING"])));
    assert_eq!(listed["allowedDecisions"], json!(["deny"]));
    assert!(listed["why"].as_str().expect("words").contains("shown again"), "{listed}");
    let yes = json!({ "id": listed["id"], "decision": "allow-once" });
    let error = client.err("exec.approval.resolve", yes.clone()).await;
    assert_eq!((&error["code"], &error["details"]["reason"]), (&json!("CONFLICT"), &json!("variables")), "{error}");
    assert!(client.events_so_far().await.iter().all(|event| event["type"] != "exec.approval.requested"));

    client.ok("gateway.resume", json!({})).await;
    let told = client.event_named("exec.approval.requested").await["payload"].clone();
    assert_eq!((&told["id"], &told["action"]["envNames"]), (&listed["id"], &json!(["GREETING=hello"])));
    assert_eq!(told["allowedDecisions"], json!(["allow-once", "deny"]));
    client.ok("exec.approval.resolve", yes).await;
    let told = follow(&mut client, "r", None).await;
    assert_eq!((&told.end["state"], told.result().0), (&json!("final"), false), "{}", told.end);
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("ran")).expect("it ran"), "hello\n");
}

/// A command that a crash cut off is not done again: the run ends, and the model later reads that it was interrupted.
#[tokio::test]
async fn what_a_crash_cut_off_is_not_done_twice() {
    let (model, gateway) = with_model("tools: {exec: {mode: full, sandbox: off}}").await;
    let mut client = gateway.connect(Encoding::Json).await;
    script(&model, &[("exec", json!({ "command": "echo ran >> ran; echo ready; sleep 1000" }))]);
    client.ok("chat.send", send("main", "go", "r")).await;
    phase(&mut client, "r", "output").await;
    let home = gateway.crash().await;
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let ended = client.ok("runs.get", json!({ "runId": "r" })).await;
    assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("error"), &json!("INTERRUPTED")));
    client.ok("chat.send", send("main", "and now?", "next")).await;
    client.run_to_end("next").await;
    let last = model.calls().pop().expect("a call")["messages"].to_string();
    assert!(last.contains("this was interrupted"), "{last}");
    assert_eq!(model.faults(), Vec::<String>::new());
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("ran")).expect("it ran"), "ran\n");
}

/// The modes of the configuration, for all agents and for one.
#[tokio::test]
async fn modes() {
    let inside = json!({ "argv": ["echo", "x"] });
    for (more, may_run) in [
        ("tools: {exec: {mode: deny}}", false),
        ("tools: {exec: {mode: allowlist}}", false),
        ("tools: {exec: {mode: full}}", true),
        ("tools: {exec: {mode: full}}\nagents: {entries: {main: {name: Claw, tools: {mode: deny}}}}", false),
        ("tools: {exec: {mode: deny}}\nagents: {entries: {main: {name: Claw, tools: {mode: full}}}}", true),
    ] {
        let (model, gateway) = with_model(more).await;
        let mut client = gateway.connect(Encoding::Json).await;
        let calls = [("exec", inside.clone()), ("exec", json!({ "argv": ["echo", "x"], "unconfined": true }))];
        let told = run(&model, &mut client, "r", None, &calls).await;
        assert!(told.results().iter().all(|(is_error, _)| *is_error != may_run), "{more}: {:?}", told.results());
    }
}
