//! Questions outlive the gateway, and their deadlines are kept whatever happens to the process or the clock.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway};

use super::{ask, asker, now, pending, question, resolve, verified};

/// Twenty questions wait when the gateway is killed: each is there again, as it was, and can be answered. What was
/// answered before stays so.
#[tokio::test]
async fn twenty_questions_outlive_a_kill() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let answered = ask(&mut program, question(100)).await;
    assert_eq!(resolve(&mut person, &answered, "allow-once").await["ok"], true);
    let mut before = Vec::new();
    for number in 0..20 {
        let id = ask(&mut program, question(number)).await;
        before.push(now(&mut person, &id).await);
    }
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let list = person.ok("exec.approval.list", json!({})).await;
    assert_eq!(list["approvals"], json!(before));
    assert_eq!(person.hello["snapshot"]["health"]["approvals"], json!({ "pending": 20 }));
    let late = resolve(&mut person, &answered, "deny").await;
    assert_eq!((&late["error"]["code"], &late["error"]["details"]["state"]), (&json!("CONFLICT"), &json!("allowed")));
    // The program comes again, under its key, and still cannot answer.
    let mut program = gateway.connect(Encoding::Json).await;
    let first = before[0]["id"].as_str().expect("an id").to_owned();
    assert_eq!(ask(&mut program, question(0)).await, first);
    assert_eq!(resolve(&mut program, &first, "allow-once").await["error"]["code"], "FORBIDDEN");
    for (place, approval) in before.iter().enumerate() {
        let id = approval["id"].as_str().expect("an id");
        let decision = if place % 2 == 0 { "allow-once" } else { "deny" };
        assert_eq!(resolve(&mut person, id, decision).await["ok"], true, "{place}");
    }
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut person = gateway.connect(Encoding::Json).await;
    for (place, approval) in before.iter().enumerate() {
        let state = if place % 2 == 0 { "allowed" } else { "denied" };
        assert_eq!(now(&mut person, approval["id"].as_str().expect("an id")).await["state"], state, "{place}");
    }
    assert_eq!(verified(&mut person).await["ok"], true);
}

/// Nobody answers: at its deadline a question is over, everybody is told, and no answer counts any more.
#[tokio::test]
async fn a_deadline_ends_a_question() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let mut params = question(1);
    params["timeoutMs"] = 700.into();
    let id = ask(&mut program, params).await;
    let waited = program.ok("exec.approval.wait", json!({ "id": id, "timeoutMs": 20_000 })).await;
    assert_eq!(waited["approval"]["state"], "expired", "{waited}");
    let told = person.event_named("exec.approval.resolved").await;
    assert_eq!((&told["payload"]["id"], &told["payload"]["state"]), (&json!(id), &json!("expired")));
    let late = resolve(&mut person, &id, "allow-once").await;
    assert_eq!((&late["error"]["code"], &late["error"]["details"]["state"]), (&json!("CONFLICT"), &json!("expired")));
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
}

/// The process stood still past the deadline: the answer that waited in its socket comes too late, although it is the
/// first thing that the process reads.
#[tokio::test]
async fn an_answer_that_was_overslept_does_not_count() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let mut params = question(1);
    params["timeoutMs"] = 1_000.into();
    let id = ask(&mut program, params).await;
    gateway.signal(Signal::SIGSTOP);
    let call = person.start("exec.approval.resolve", json!({ "id": id, "decision": "allow-once" })).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    gateway.signal(Signal::SIGCONT);
    let answer = person.answer(&call).await;
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["details"]["state"]),
        (&json!("CONFLICT"), &json!("expired")),
        "{answer}"
    );
    assert_eq!(now(&mut person, &id).await["state"], "expired");
}

/// The deadline passes while no gateway runs: the next one says so.
#[tokio::test]
async fn a_deadline_passes_without_a_gateway() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut params = question(1);
    params["timeoutMs"] = 1_000.into();
    let id = ask(&mut program, params).await;
    let home = gateway.crash().await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let gateway = Gateway::in_home(&home).await;
    let mut person = gateway.connect(Encoding::Json).await;
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    assert_eq!(resolve(&mut person, &id, "allow-once").await["error"]["details"]["state"], "expired");
}

/// The clock was set back while no gateway ran: no deadline can be trusted, so none is kept alive.
#[tokio::test]
async fn a_clock_set_back_revives_nothing() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let id = ask(&mut program, question(1)).await;
    let home = gateway.crash().await;
    // As if it had been asked an hour from now.
    let ahead = "3600000";
    super::audit::change(&home, &[&format!("UPDATE audit SET at = at + {ahead}")]).await;
    let gateway = Gateway::in_home(&home).await;
    let mut person = gateway.connect(Encoding::Json).await;
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    let approval = now(&mut person, &id).await;
    assert_eq!(approval["state"], "expired");
    assert!(approval["reason"].as_str().expect("a reason").contains("clock"), "{approval}");
}

/// A question whose run cannot go on is cancelled with the reason, and its id is still known.
#[tokio::test]
async fn a_question_without_its_run_is_cancelled() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let id = ask(&mut program, question(1)).await;
    let home = gateway.crash().await;
    super::audit::change(&home, &["UPDATE approvals SET run_id = 'gone'"]).await;
    let gateway = Gateway::in_home(&home).await;
    let mut person = gateway.connect(Encoding::Json).await;
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    let approval = now(&mut person, &id).await;
    assert_eq!((&approval["state"], &approval["decidedBy"]["surface"]), (&json!("cancelled"), &json!("gateway")));
    assert!(approval["reason"].as_str().expect("a reason").contains("restarted"), "{approval}");
    let late = resolve(&mut person, &id, "allow-once").await;
    assert_eq!((&late["error"]["code"], &late["error"]["details"]["state"]), (&json!("CONFLICT"), &json!("cancelled")));
    assert_ne!(late["error"]["details"]["reason"], Value::Null);
}
