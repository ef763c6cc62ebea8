//! The binary as a shell or a script sees it, against a scripted gateway.

#[path = "../../../client/tests/client/fake.rs"]
mod fake;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use fake::{Fake, Peer, TOKEN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// The command in a home of its own, ended when the test ends.
fn simpleclaw(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simpleclaw"));
    command
        .args(arguments)
        .env("SIMPLECLAW_HOME", home)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A home as a running gateway keeps it, lock and all.
struct FakeHome {
    folder: tempfile::TempDir,
    _lock: simpleclaw_gateway::HomeLock,
}

impl FakeHome {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn home_of(fake: &Fake) -> FakeHome {
    let home = tempfile::tempdir().expect("a folder");
    let lock = simpleclaw_gateway::Home::at(home.path()).lock().expect("nobody else holds it");
    let content = simpleclaw_gateway::LockFile { pid: 1, url: fake.url.clone(), boot_id: "b1".into() };
    lock.publish(&content).expect("writes");
    std::fs::write(home.path().join("token"), format!("{TOKEN}\n")).expect("writes");
    FakeHome { folder: home, _lock: lock }
}

async fn end(child: Child) -> Output {
    let output = tokio::time::timeout(Duration::from_secs(20), child.wait_with_output());
    output.await.expect("it ends").expect("it ran")
}

async fn run(home: &Path, arguments: &[&str]) -> Output {
    end(simpleclaw(home, arguments).spawn().expect("it starts")).await
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// All of standard output, which must be exactly one line of JSON.
fn only_json(output: &Output) -> Value {
    let text = stdout(output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn nobody_there_is_3_and_a_mistake_in_the_arguments_is_2() {
    let home = tempfile::tempdir().expect("a folder");
    let free = Fake::start().await.url;
    let output = run(home.path(), &["status", "--url", &free, "--json"]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(only_json(&output)["error"]["code"], "UNREACHABLE");
    assert_eq!(stderr(&output), "");

    let output = run(home.path(), &["status", "--url", &free]).await;
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(3), ""));
    assert!(stderr(&output).contains("simpleclaw gateway run"), "{output:?}");

    for arguments in [
        &["statuss", "--json"][..],
        &["--json"],
        &["status", "--json", "--nope"],
        &["call", "health", "{", "--json"],
        &["call", "health", "[]", "--json"],
        &["status", "--url", "http://x", "--json"],
        &["token", "--profile", "../x", "--json"],
    ] {
        let output = run(home.path(), arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(only_json(&output)["error"]["code"], "USAGE", "{arguments:?}");
    }
    let output = run(home.path(), &["statuss"]).await;
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    let output = run(home.path(), &["--version"]).await;
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn the_running_gateway_is_found_and_its_payload_alone_is_printed() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        for _ in 0..2 {
            let mut peer = fake.greet().await;
            let request = peer.request().await.expect("a request");
            assert_eq!(request.method, "health");
            peer.answer(&request.id, fake::health()).await;
        }
    };
    let commands = async {
        let output = run(home.path(), &["health", "--json"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(only_json(&output), fake::health());
        let output = run(home.path(), &["health"]).await;
        let expected = "\
gateway           healthy
config            ok
models            degraded: no model found
channel telegram  connected
";
        assert_eq!(stdout(&output), expected);
    };
    tokio::join!(gateway, commands);
}

#[tokio::test]
async fn an_error_answer_is_1_and_refused_credentials_are_4() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        for code in ["NOT_FOUND", "FORBIDDEN"] {
            let mut peer = fake.greet().await;
            let request = peer.request().await.expect("a request");
            assert_eq!(request.params, json!({ "runId": "x" }));
            peer.refuse(&request.id, code, "no such run").await;
        }
        let mut peer = fake.accept().await;
        let connect = peer.connect().await;
        assert_eq!(connect.auth.and_then(|auth| auth.token).as_deref(), Some("wrong"));
        peer.refuse("connect", "UNAUTHENTICATED", "wrong token").await;
        peer.close(1008, "unauthenticated").await;
    };
    let commands = async {
        let call = ["call", "runs.get", r#"{"runId":"x"}"#, "--json"];
        for (exit, code) in [(1, "NOT_FOUND"), (4, "FORBIDDEN")] {
            let output = run(home.path(), &call).await;
            assert_eq!(output.status.code(), Some(exit), "{output:?}");
            assert_eq!(only_json(&output)["error"]["code"], code);
        }
        let other = home.path().join("other");
        std::fs::write(&other, "wrong\n").expect("writes");
        let other = other.to_str().expect("a plain path");
        let output = run(home.path(), &["status", "--token-file", other, "--json"]).await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert_eq!(only_json(&output)["error"]["code"], "UNAUTHENTICATED");
        let output = run(home.path(), &["status", "--token-file", "/nowhere", "--json"]).await;
        assert_eq!(output.status.code(), Some(4), "{output:?}");
    };
    tokio::join!(gateway, commands);
}

#[tokio::test]
async fn the_token_is_printed_and_completions_are_scripts() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    assert_eq!(stdout(&run(home.path(), &["token"]).await), format!("{TOKEN}\n"));
    let output = run(home.path(), &["token", "--json"]).await;
    assert_eq!(only_json(&output), json!({ "token": TOKEN }));
    let output = run(home.path(), &["completions", "bash"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("complete -F _simpleclaw"));
}

const SESSION: &str = "agent:main:main";

/// Greets, and answers the subscription and `chat.send`. Gives the connection, the run's id and the message.
async fn chat_sent(peer: &mut Peer) -> (String, String) {
    let request = peer.request().await.expect("a message");
    assert_eq!(request.method, "chat.send");
    let text = |member: &str| request.params[member].as_str().expect("a text").to_owned();
    let (run, message) = (text("idempotencyKey"), text("message"));
    let result = json!({ "runId": run, "status": "started", "messageId": "u", "sessionKey": SESSION });
    peer.answer(&request.id, result).await;
    (run, message)
}

async fn subscribed(peer: &mut Peer) {
    let request = peer.request().await.expect("a subscription");
    assert_eq!(request.method, "events.subscribe");
    peer.answer(&request.id, json!({})).await;
}

async fn chat_event(peer: &mut Peer, run: &str, index: u64, more: Value) {
    let mut event = json!({ "runId": run, "sessionKey": SESSION, "index": index, "messageId": "a" });
    let (Some(members), Value::Object(more)) = (event.as_object_mut(), more) else {
        panic!("objects");
    };
    members.extend(more);
    peer.event("chat.event", event).await;
}

fn message(run: &str, text: &str) -> Value {
    json!({
        "id": "a", "seq": 2, "role": "assistant", "content": [{ "type": "text", "text": text }],
        "createdAt": "2026-11-22T13:01:57.040Z", "runId": run, "status": "complete",
    })
}

async fn reply(peer: &mut Peer, run: &str, deltas: &[&str]) {
    chat_event(peer, run, 0, json!({ "state": "started" })).await;
    for (index, delta) in (1..).zip(deltas) {
        chat_event(peer, run, index, json!({ "state": "delta", "delta": delta })).await;
    }
    let index = deltas.len() as u64 + 1;
    let last = json!({ "state": "final", "message": message(run, &deltas.concat()) });
    chat_event(peer, run, index, last).await;
}

#[tokio::test]
async fn a_message_is_answered_as_text_and_as_events() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        for _ in 0..2 {
            let mut peer = fake.greet().await;
            subscribed(&mut peer).await;
            let (run, message) = chat_sent(&mut peer).await;
            assert_eq!(message, "hello");
            chat_event(&mut peer, "another run", 0, json!({ "state": "delta", "delta": "not ours" })).await;
            reply(&mut peer, &run, &["Hello ", "you."]).await;
            assert_eq!(peer.request().await, None);
        }
    };
    let commands = async {
        let output = run(home.path(), &["chat", "-m", "hello"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stdout(&output), "Hello you.\n");
        let output = run(home.path(), &["chat", "-m", "hello", "--json"]).await;
        let text = stdout(&output);
        let states: Vec<_> =
            text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["state"].clone()).collect();
        assert_eq!(states, ["started", "delta", "delta", "final"]);
    };
    tokio::join!(gateway, commands);
}

#[tokio::test]
async fn each_line_of_a_pipe_is_a_message_and_a_failed_run_is_told_with_its_cause() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        let mut peer = fake.greet().await;
        subscribed(&mut peer).await;
        let (run, message) = chat_sent(&mut peer).await;
        assert_eq!(message, "one");
        let provider = json!({ "id": "acme", "model": "acme/large", "kind": "auth", "httpStatus": 401 });
        let error = json!({
            "code": "PROVIDER_ERROR", "message": "the key was refused", "retryable": false, "provider": provider
        });
        chat_event(&mut peer, &run, 0, json!({ "state": "error", "error": error })).await;
        let (run, message) = chat_sent(&mut peer).await;
        assert_eq!(message, "two");
        reply(&mut peer, &run, &["Second."]).await;
        assert_eq!(peer.request().await, None);
    };
    let command = async {
        let mut child = simpleclaw(home.path(), &["chat"]).stdin(Stdio::piped()).spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(b"one\n\ntwo\n").await.expect("writes");
        drop(stdin);
        let output = end(child).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(stdout(&output), "Second.\n");
        assert_eq!(stderr(&output), "error: the key was refused (acme/large, auth, HTTP 401).\n");
    };
    tokio::join!(gateway, command);
}

#[tokio::test]
async fn a_cut_connection_does_not_cut_the_reply() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        let mut peer = fake.greet().await;
        subscribed(&mut peer).await;
        let (run, _) = chat_sent(&mut peer).await;
        chat_event(&mut peer, &run, 0, json!({ "state": "delta", "delta": "One, " })).await;
        drop(peer);
        let mut peer = fake.greet().await;
        subscribed(&mut peer).await;
        let request = peer.request().await.expect("a request");
        assert_eq!((request.method.as_str(), &request.params), ("runs.get", &json!({ "runId": run })));
        let state = json!({
            "runId": run, "sessionKey": SESSION, "state": "running", "startedAt": "2026-11-22T13:01:57.040Z",
            "messageIds": ["u"]
        });
        peer.answer(&request.id, state).await;
        let request = peer.request().await.expect("a request");
        assert_eq!(request.method, "chat.history");
        let history = json!({
            "sessionKey": SESSION, "sessionId": "s", "messages": [], "hasMore": false, "inFlightRun": {
                "runId": run, "messageId": "a", "text": "One, two, ", "index": 1,
                "startedAt": "2026-11-22T13:01:57.040Z"
            }
        });
        peer.answer(&request.id, history).await;
        // The first is in the text above already.
        chat_event(&mut peer, &run, 1, json!({ "state": "delta", "delta": "two, " })).await;
        chat_event(&mut peer, &run, 2, json!({ "state": "delta", "delta": "three." })).await;
        let last = json!({ "state": "final", "message": message(&run, "One, two, three.") });
        chat_event(&mut peer, &run, 3, last).await;
        assert_eq!(peer.request().await, None);
    };
    let command = async {
        let output = run(home.path(), &["chat", "-m", "count"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(stdout(&output), "One, two, three.\n");
    };
    tokio::join!(gateway, command);
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_stops_the_run_and_ends_with_130_and_sigterm_ends_with_0() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    for (signal, exit) in [("-INT", 130), ("-TERM", 0)] {
        let mut child = simpleclaw(home.path(), &["chat", "-m", "hello"]).spawn().expect("it starts");
        let pid = child.id().expect("it runs").to_string();
        let mut shown = child.stdout.take().expect("is piped");
        let gateway = async {
            let mut peer = fake.greet().await;
            subscribed(&mut peer).await;
            let (run, _) = chat_sent(&mut peer).await;
            chat_event(&mut peer, &run, 0, json!({ "state": "delta", "delta": "Long" })).await;
            // Only then does it know its run.
            let mut text = [0; 4];
            shown.read_exact(&mut text).await.expect("it shows the text");
            assert_eq!(&text, b"Long");
            let kill = Command::new("kill").args([signal, &pid]).status().await.expect("kill runs");
            assert!(kill.success());
            if signal == "-INT" {
                let request = peer.request().await.expect("a request");
                assert_eq!(request.method, "chat.abort");
                assert_eq!(request.params, json!({ "sessionKey": SESSION, "runId": run }));
                peer.answer(&request.id, json!({ "aborted": true, "runIds": [run] })).await;
                chat_event(&mut peer, &run, 1, json!({ "state": "aborted" })).await;
            }
            assert_eq!(peer.request().await, None);
        };
        let (output, ()) = tokio::join!(end(child), gateway);
        assert_eq!(output.status.code(), Some(exit), "{output:?}");
    }
}

const SECRET: &str = "some-secret-0123";

/// First it is made sure that the file can be changed, then each secret is stored before its text goes.
#[tokio::test]
async fn secrets_are_moved_from_the_configuration() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let config = format!("models: {{providers: {{work: {{api: openai, apiKey: {SECRET}}}}}}}\n");
    std::fs::write(home.path().join("config.yaml"), config).expect("writes");
    let path = "/models/providers/work/apiKey";
    let list =
        json!({ "secrets": [{ "name": "work", "place": "file", "usedIn": [] }], "place": "file", "problems": [] });
    let set = |dry_run: bool| json!({ "path": path, "value": { "secret": "work-2" }, "dryRun": dry_run });
    let gateway = async {
        {
            let mut peer = fake.greet().await;
            for (method, answer) in [
                ("secrets.list", list.clone()),
                ("config.set", json!({})),
                ("secrets.set", json!({ "name": "work-2", "place": "file", "usedIn": [] })),
                ("config.set", json!({})),
            ] {
                let request = peer.request().await.expect("a request");
                assert_eq!(request.method, method);
                peer.answer(&request.id, answer).await;
                match method {
                    "secrets.set" => {
                        assert_eq!(
                            (&request.params["name"], &request.params["value"]),
                            (&json!("work-2"), &json!(SECRET))
                        );
                    }
                    "config.set" => assert!([set(true), set(false)].contains(&request.params), "{:?}", request.params),
                    _ => {}
                }
            }
        }
        // A gateway that cannot change its file is told no secret.
        let mut peer = fake.greet().await;
        let request = peer.request().await.expect("a request");
        peer.answer(&request.id, list.clone()).await;
        let request = peer.request().await.expect("a request");
        assert_eq!((request.method.as_str(), &request.params), ("config.set", &set(true)));
        peer.refuse(&request.id, "UNAVAILABLE", "config.set is not available in this version").await;
        assert!(peer.request().await.is_none(), "nothing more is asked");
    };
    let commands = async {
        let output = run(home.path(), &["secrets", "move-from-config", "--json"]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        // This gateway has left its file as it was, and that is said.
        let moved = json!({ "moved": [{ "path": path, "name": "work-2" }], "stillIn": ["config.yaml"] });
        assert_eq!(only_json(&output), moved);
        let output = run(home.path(), &["secrets", "move-from-config"]).await;
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        assert!(!stderr(&output).contains(SECRET), "{output:?}");
        let output = run(home.path(), &["secrets", "move-from-config", "--url", &fake.url, "--json"]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    };
    tokio::join!(gateway, commands);
}

/// From a pipe without its line break; never as an argument, and not repeated where someone tries.
#[tokio::test]
async fn a_secret_comes_from_standard_input() {
    let fake = Fake::start().await;
    let home = home_of(&fake);
    let gateway = async {
        let mut peer = fake.greet().await;
        let request = peer.request().await.expect("a request");
        assert_eq!((request.method.as_str(), &request.params["value"]), ("secrets.set", &json!(SECRET)));
        assert!(request.params["idempotencyKey"].is_string(), "{:?}", request.params);
        let result = json!({ "name": "work", "place": "keyStore", "usedIn": ["/models/providers/work/apiKey"] });
        peer.answer(&request.id, result).await;
    };
    let commands = async {
        let mut command = simpleclaw(home.path(), &["secrets", "set", "work"]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let mut input = child.stdin.take().expect("is piped");
        input.write_all(format!("{SECRET}\r\n").as_bytes()).await.expect("takes it");
        drop(input);
        let output = end(child).await;
        let expected = "work is kept in the key store of this system. Used in /models/providers/work/apiKey.\n";
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), expected), "{output:?}");
        let output = run(home.path(), &["secrets", "set", "work", SECRET, "--json"]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!format!("{}{}", stdout(&output), stderr(&output)).contains(SECRET), "{output:?}");
    };
    tokio::join!(gateway, commands);
}
