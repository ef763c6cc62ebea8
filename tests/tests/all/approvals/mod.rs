//! Approvals over the socket. No tool asks yet, so programs do: `exec.approval.request` (trust.md; protocol.md 4 and 5).

mod answers;
mod audit;
mod commands;
mod flood;
mod restart;
mod rules;

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

/// What a program wants to be allowed, told from other questions by its number.
pub fn question(number: usize) -> Value {
    json!({
        "action": { "kind": "script", "script": format!("echo {number}") },
        "why": "a test",
        "idempotencyKey": format!("question-{number}"),
    })
}

/// A connection that may ask and not answer.
pub async fn asker(gateway: &Gateway) -> RawClient {
    gateway.connect_as(Encoding::Json, json!({ "scopes": ["operator.write"] })).await
}

/// Asks; the id.
pub async fn ask(client: &mut RawClient, params: Value) -> String {
    let asked = client.ok("exec.approval.request", params).await;
    assert_eq!(asked["state"], "pending", "{asked}");
    asked["id"].as_str().expect("an id").to_owned()
}

pub async fn resolve(client: &mut RawClient, id: &str, decision: &str) -> Value {
    client.call("exec.approval.resolve", json!({ "id": id, "decision": decision })).await
}

/// The ids that wait for an answer, oldest first.
pub async fn pending(client: &mut RawClient) -> Vec<String> {
    let list = client.ok("exec.approval.list", json!({})).await;
    let ids = list["approvals"].as_array().expect("a list").iter();
    let ids: Vec<_> = ids.map(|approval| approval["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(list["total"], ids.len());
    ids
}

/// A question as it is now.
pub async fn now(client: &mut RawClient, id: &str) -> Value {
    client.ok("exec.approval.wait", json!({ "id": id, "timeoutMs": 0 })).await["approval"].clone()
}

pub async fn verified(client: &mut RawClient) -> Value {
    client.ok("audit.verify", json!({})).await
}
