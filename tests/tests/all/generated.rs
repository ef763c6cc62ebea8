//! Driven by the method table, so that a new method cannot be forgotten: scope, params, answer, order of checks
//! (protocol.md 2 and 4).

use serde_json::{Value, json};
use simpleclaw_protocol::Scope;
use simpleclaw_protocol::methods::{self, PLANNED};
use simpleclaw_tests::{Encoding, Gateway, RawClient, schema};

use crate::chat::history;

/// The hash of an empty list of rules.
const NO_RULES: &str = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

/// Params that every built method takes, in a gateway where `agent:main:main` has the message `message_id`, written by
/// the run `r1`.
pub fn minimal(method: &str, message_id: &str) -> Value {
    match method {
        "chat.send" => json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "minimal-chat" }),
        "sessions.send" => json!({ "key": "main", "message": "hi", "idempotencyKey": "minimal-sessions" }),
        "chat.abort" | "chat.history" => json!({ "sessionKey": "main" }),
        "chat.inject" => json!({ "sessionKey": "main", "message": "note" }),
        // Of nobody: whoever needs an answer puts one in.
        "attachments.get" => json!({ "attachmentId": "a" }),
        "chat.message.get" => json!({ "sessionKey": "main", "messageId": message_id }),
        "runs.get" => json!({ "runId": "r1" }),
        "secrets.set" => json!({ "name": "minimal", "value": "minimal-secret" }),
        // Of the one before it.
        "secrets.remove" => json!({ "name": "minimal" }),
        "sessions.get" | "sessions.reset" => json!({ "key": "main" }),
        "config.set" => json!({ "path": "runs.idleSeconds", "value": 301 }),
        "config.patch" => json!({ "patch": { "runs": { "idleSeconds": 302 } } }),
        // Of nothing: `config` restores what it changed.
        "config.restore" => json!({ "id": "0" }),
        "runs.abort"
        | "sessions.list"
        | "agents.list"
        | "models.list"
        | "channels.status"
        | "config.get"
        | "config.history"
        | "config.schema"
        | "secrets.list"
        | "events.subscribe"
        | "health"
        | "status"
        | "system-presence"
        | "tools.list"
        | "logs.tail"
        | "diagnostics.list"
        | "usage.summary"
        | "gateway.pause"
        | "gateway.resume"
        | "gateway.restart"
        | "gateway.shutdown"
        | "exec.approval.list"
        | "exec.approval.history"
        | "exec.approvals.get"
        | "audit.verify" => json!({}),
        "exec.approval.request" => {
            let action = json!({ "kind": "script", "script": "echo" });
            json!({ "action": action, "why": "a test", "idempotencyKey": "minimal-approval" })
        }
        // Of nobody: whoever needs an answer puts one in.
        "exec.approval.wait" => json!({ "id": "0".repeat(32), "timeoutMs": 0 }),
        "exec.approval.resolve" => json!({ "id": "0".repeat(32), "decision": "deny" }),
        "exec.approvals.set" => json!({ "rules": [], "baseHash": NO_RULES }),
        "exec.approvals.test" => json!({ "command": "ls", "cwd": "/usr" }),
        // Nobody listens there: the answer says so.
        "providers.test" => json!({ "draft": { "api": "openai", "baseUrl": "http://127.0.0.1:9/v1" } }),
        other => panic!("{other} is new: say here what it takes at least"),
    }
}

/// A message in the main session, with a file; its id.
async fn one_run(client: &mut RawClient) -> String {
    let file = json!([{ "name": "a.txt", "mimeType": "text/plain", "content": "aGk=" }]);
    let params = json!({ "sessionKey": "main", "message": "hello", "idempotencyKey": "r1", "attachments": file });
    let sent = client.ok("chat.send", params).await;
    client.run_to_end("r1").await;
    sent["messageId"].as_str().expect("an id").to_owned()
}

/// All scopes but the one that is to be missing and those that imply it.
fn without(scope: Scope) -> Option<Value> {
    Some(match scope {
        Scope::None => return None,
        Scope::Read => json!(["operator.approvals", "operator.pairing"]),
        Scope::Write | Scope::WriteOrNode => json!(["operator.read", "operator.approvals", "operator.pairing"]),
        Scope::Admin => json!(["operator.write", "operator.approvals", "operator.pairing"]),
        Scope::Approvals => json!(["operator.write", "operator.pairing"]),
        Scope::ApprovalsOrRequester => json!(["operator.read", "operator.pairing"]),
        Scope::Pairing => json!(["operator.write", "operator.approvals"]),
        Scope::Node => json!(["operator.admin"]),
    })
}

/// Every method is refused without its scope, whatever the params are, and the answer names what is missing.
#[tokio::test]
async fn every_method_needs_its_scope() {
    let gateway = Gateway::start().await;
    let built = methods::built().map(|(_, spec)| (spec.name, spec.scope));
    let all: Vec<_> = built.chain(PLANNED.iter().map(|row| (row.name, row.scope))).collect();
    for encoding in Encoding::ALL {
        for scope in [
            Scope::Read,
            Scope::Write,
            Scope::WriteOrNode,
            Scope::Admin,
            Scope::Approvals,
            Scope::ApprovalsOrRequester,
            Scope::Pairing,
            Scope::Node,
        ] {
            let scopes = without(scope).expect("a scope that can be missing");
            let mut client = gateway.connect_as(encoding, json!({ "scopes": scopes })).await;
            for (name, _) in all.iter().filter(|(_, needs)| *needs == scope) {
                for params in [json!({}), json!({ "noSuchMember": 1 })] {
                    let error = client.err(name, params).await;
                    assert_eq!(error["code"], "FORBIDDEN", "{name}: {error}");
                    assert_eq!(error["details"], json!({ "missingScope": scope.name() }), "{name}");
                    assert_eq!(error["retryable"], false, "{name}");
                }
            }
        }
    }
}

/// A method that nobody knows is INVALID_REQUEST for everyone, scope or not.
#[tokio::test]
async fn an_unknown_method_is_an_invalid_request() {
    let gateway = Gateway::start().await;
    for scopes in [json!([]), json!(["made.up"])] {
        let mut client = gateway.connect_as(Encoding::Json, json!({ "scopes": scopes })).await;
        for method in ["chat.sendd", "", "Health", "health ", "constructor"] {
            let error = client.err(method, json!({ "x": 1 })).await;
            assert_eq!(error["code"], "INVALID_REQUEST", "{method:?}: {error}");
            assert_eq!(error["retryable"], false);
        }
    }
}

/// A planned method says that it is not built, before it looks at params, and is not promised in `hello-ok`.
#[tokio::test]
async fn planned_methods_say_so() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut operator = gateway.connect(encoding).await;
        let mut node = gateway.connect_as(encoding, json!({ "role": "node" })).await;
        for row in PLANNED {
            let client = if row.scope == Scope::Node { &mut node } else { &mut operator };
            let error = client.err(row.name, json!({ "noSuchMember": 1 })).await;
            assert_eq!(error["code"], "UNAVAILABLE", "{}: {error}", row.name);
            assert_eq!((&error["retryable"], &error["retryAfterMs"]), (&json!(false), &Value::Null), "{}", row.name);
            let promised = operator.hello["features"]["methods"].as_array().expect("a list");
            assert!(!promised.contains(&json!(row.name)), "{} is promised", row.name);
        }
    }
}

/// The places that the issues of an INVALID_REQUEST name.
fn places(error: &Value) -> Vec<&str> {
    let issues = error["details"]["issues"].as_array().map(Vec::as_slice).unwrap_or_default();
    issues.iter().filter_map(|issue| issue["path"].as_str()).collect()
}

/// A member that a method does not know, a required one that is missing, a value of a wrong type: each is
/// INVALID_REQUEST with the place, for every method and member, in both encodings.
#[tokio::test]
async fn params_are_held_against_their_schema() {
    let gateway = Gateway::start().await;
    let wrong = [json!(null), json!(true), json!(-1), json!(1.5), json!(""), json!("x"), json!([7]), json!({ "a": 1 })];
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        client.checks_events = false;
        for (_, spec) in methods::built() {
            let name = spec.name;
            let file = format!("methods/{name}.json");
            let params = minimal(name, "m");
            let mut cases = vec![("noSuchMember".to_owned(), Some(json!(1)))];
            let schema = schema::read(&file)["params"].clone();
            for required in schema["required"].as_array().into_iter().flatten() {
                cases.push((required.as_str().expect("a name").to_owned(), None));
            }
            for member in schema["properties"].as_object().into_iter().flat_map(|members| members.keys()) {
                cases.extend(wrong.iter().map(|value| (member.clone(), Some(value.clone()))));
            }
            for (member, value) in cases {
                let mut broken = params.clone();
                let members = broken.as_object_mut().expect("an object");
                match value {
                    Some(value) => members.insert(member.clone(), value),
                    None => members.remove(&member),
                };
                if schema::faults(&file, "params", &broken).is_empty() {
                    continue;
                }
                let error = client.err(name, broken.clone()).await;
                assert_eq!(error["code"], "INVALID_REQUEST", "{name} {broken}: {error}");
                let place = format!("/{member}");
                let named = places(&error).iter().any(|found| found.starts_with(&place));
                assert!(named, "{name} {broken}: {:?} names no {place}", places(&error));
            }
        }
    }
}

/// What the schema says is what the gateway answers: the payload of a valid minimal call validates, in both encodings.
#[tokio::test]
async fn answers_keep_their_schema() {
    for encoding in Encoding::ALL {
        let gateway = Gateway::start().await;
        let mut client = gateway.connect(encoding).await;
        let message_id = one_run(&mut client).await;
        let file = history(&mut client, "main").await[0]["content"][1]["attachmentId"].clone();
        let question = minimal("exec.approval.request", "");
        let question = gateway.connect(encoding).await.ok("exec.approval.request", question).await["id"].clone();
        for (_, spec) in methods::built() {
            // Two end the gateway; `stop` has them. One needs a version; `config` has it.
            if matches!(spec.name, "gateway.restart" | "gateway.shutdown" | "config.restore") {
                continue;
            }
            // The main session is emptied by the one before it.
            let mut params = minimal(spec.name, &message_id);
            if spec.name == "attachments.get" {
                params["attachmentId"] = file.clone();
            }
            if matches!(spec.name, "exec.approval.wait" | "exec.approval.resolve") {
                params["id"] = question.clone();
            }
            if spec.name == "exec.approval.request" {
                params["idempotencyKey"] = "another-approval".into();
            }
            if spec.name == "sessions.reset" {
                client.ok("runs.abort", json!({})).await;
            }
            let payload = client.ok(spec.name, params).await;
            schema::check(&format!("methods/{}.json", spec.name), "result", &payload);
        }
    }
}

/// A member that is in the schema and not built says so by name instead of doing nothing.
#[tokio::test]
async fn members_that_are_not_built_say_so() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for mode in ["steer", "collect"] {
        let mut params = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k" });
        params["queueMode"] = mode.into();
        let error = client.err("chat.send", params).await;
        assert_eq!((&error["code"], &error["details"]), (&json!("UNAVAILABLE"), &json!({ "member": "queueMode" })));
        assert_eq!(error["retryable"], false);
    }
    let mut params = json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": "k" });
    params["deliver"] = true.into();
    let error = client.err("chat.send", params).await;
    assert_eq!((&error["code"], places(&error)), (&json!("INVALID_REQUEST"), vec!["/deliver"]));
    assert_eq!(client.ok("chat.history", json!({ "sessionKey": "main" })).await["messages"], json!([]));
}
