//! The same key twice gives the first answer and one effect; with another body it is CONFLICT (protocol.md 4 and 8).

use serde_json::{Value, json};
use simpleclaw_protocol::Idempotency;
use simpleclaw_protocol::methods;
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::{Encoding, Gateway};

use crate::generated::minimal;

/// Another body for the same key; absent where a method has no other.
fn varied(method: &str) -> Option<(&'static str, Value)> {
    Some(match method {
        "chat.send" | "sessions.send" | "chat.inject" => ("message", json!("something else")),
        "chat.abort" => ("runId", json!("some-run")),
        "sessions.reset" => ("reason", json!("another")),
        "runs.abort" => ("agentId", json!("main")),
        "config.set" => ("value", json!(303)),
        "config.patch" => ("patch", json!({ "runs": { "idleSeconds": 304 } })),
        "secrets.set" => ("value", json!("another-secret")),
        "secrets.remove" => ("name", json!("another")),
        // A test changes nothing, so nothing is kept under its key.
        "providers.test" => return None,
        "exec.approval.request" => ("why", json!("another test")),
        "exec.approvals.set" => ("baseHash", json!("0".repeat(64))),
        "gateway.pause" | "gateway.resume" | "gateway.restart" | "gateway.shutdown" => return None,
        other => panic!("{other} is new: say here what its other body is"),
    })
}

/// Every changing method keeps its first answer under a key, also over a restart, and refuses the key for another body.
#[tokio::test]
async fn a_repeated_key_gives_the_first_answer() {
    let model = Model::start().await;
    let mut gateway = Gateway::with_config(&model.config("")).await;
    let changing = || {
        let built = methods::built().map(|(_, spec)| spec);
        built.filter(|spec| spec.idempotency != Idempotency::ReadOnly).map(|spec| spec.name)
    };
    let mut first = Vec::new();
    for (round, encoding) in [Encoding::Json, Encoding::Msgpack].into_iter().enumerate() {
        let mut client = gateway.connect(encoding).await;
        // `config` has the repeat of a restored version, `approvals` that of an answer.
        let elsewhere = |name: &str| {
            matches!(name, "gateway.restart" | "gateway.shutdown" | "config.restore" | "exec.approval.resolve")
        };
        for name in changing().filter(|name| !elsewhere(name)) {
            let mut params = minimal(name, "");
            params["idempotencyKey"] = format!("key-of-{name}").into();
            let payload = client.ok(name, params.clone()).await;
            if name.ends_with(".send") {
                let run = payload["runId"].as_str().expect("a run").to_owned();
                if round == 0 {
                    client.run_to_end(&run).await;
                }
                let again = client.ok(name, params.clone()).await;
                let end = json!({
                    "runId": format!("key-of-{name}"),
                    "status": "ok",
                    "messageId": payload["messageId"],
                    "sessionKey": "agent:main:main",
                });
                assert_eq!(again, end, "{name}");
            } else {
                assert_eq!(client.ok(name, params.clone()).await, payload, "{name}");
            }
            if round == 0 {
                first.push((name, payload["messageId"].clone()));
            } else {
                assert!(first.contains(&(name, payload["messageId"].clone())), "{name} had a second effect");
            }
            if let Some((member, value)) = varied(name) {
                params[member] = value;
                assert_eq!(client.err(name, params).await["code"], "CONFLICT", "{name}");
            }
        }
        if round == 0 {
            let home = gateway.crash().await;
            gateway = Gateway::in_home(&home).await;
        }
    }
    assert_eq!(model.calls().len(), 2, "one model call for each of the two sends");
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A session key and its alias are the same body for every method that takes one.
#[tokio::test]
async fn the_alias_of_a_session_key_is_the_same_body() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    for (method, member, mut params) in [
        ("chat.inject", "sessionKey", json!({ "message": "note" })),
        ("chat.abort", "sessionKey", json!({})),
        ("sessions.reset", "key", json!({})),
    ] {
        params["idempotencyKey"] = format!("alias-{method}").into();
        params[member] = "main".into();
        let first = client.ok(method, params.clone()).await;
        params[member] = "agent:main:main".into();
        assert_eq!(client.ok(method, params.clone()).await, first, "{method}");
        params[member] = "agent:main:other".into();
        client.ok("chat.inject", json!({ "sessionKey": "agent:main:other", "message": "x" })).await;
        assert_eq!(client.err(method, params).await["code"], "CONFLICT", "{method}");
    }
}

/// A repeat while the run goes says so, and has one effect: one user message, one run.
#[tokio::test]
async fn a_repeat_in_flight_has_one_effect() {
    let model = Model::start().await;
    let gate = simpleclaw_tests::fakes::Gate::new();
    model.script([simpleclaw_tests::fakes::Answer::Stream(vec![gate.step(), simpleclaw_tests::fakes::Step::Done])]);
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let params = |key: &str| json!({ "sessionKey": key, "message": "hi", "idempotencyKey": "k" });
    let first = client.ok("chat.send", params("main")).await;
    assert_eq!(first["status"], "started");
    client.event_where("the start", |event| event["state"] == "started").await;
    // The key's other spelling is the same body, and both methods share the keys.
    let again = client.ok("chat.send", params("agent:main:main")).await;
    assert_eq!((&again["status"], &again["messageId"]), (&json!("in_flight"), &first["messageId"]));
    let third = client.ok("sessions.send", json!({ "key": "main", "message": "hi", "idempotencyKey": "k" })).await;
    assert_eq!(third, again);
    for (member, value) in [("model", json!("fake/other")), ("thinking", json!("low")), ("timeoutMs", json!(5))] {
        let mut other = params("main");
        other[member] = value;
        assert_eq!(client.err("chat.send", other).await["code"], "CONFLICT", "{member}");
    }
    gate.open();
    client.run_to_end("k").await;
    let history = client.ok("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(2), "{history}");
    assert_eq!(model.calls().len(), 1);
}
