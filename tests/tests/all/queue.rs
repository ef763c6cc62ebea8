//! Input that meets a run of its session: waiting, overtaking, too much of it, and the kill switch (protocol.md 4).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Step};
use simpleclaw_tests::{Encoding, Gateway};

use crate::chat::{history, send, with_model};

/// What comes during a run waits, says so, and is answered in the order in which it came.
#[tokio::test]
async fn followups_wait_in_order() {
    let (model, gateway) = with_model("").await;
    let gate = Gate::new();
    model.script([Answer::Stream(vec![Step::Delta("first".into()), gate.step(), Step::Done])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "first").await;
    for run in ["r2", "r3", "r4"] {
        assert_eq!(client.ok("chat.send", send("main", run, run)).await["status"], "queued");
        let queued = client.event_where("queued", |event| event["runId"] == run).await;
        assert_eq!((&queued["state"], &queued["index"]), (&json!("queued"), &json!(0)));
        assert_eq!(client.ok("runs.get", json!({ "runId": run })).await["state"], "queued");
    }
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!(row["activeRunIds"], json!(["r1", "r2", "r3", "r4"]));
    gate.open();
    let mut ended = Vec::new();
    for run in ["r1", "r2", "r3", "r4"] {
        let events = client.run_to_end(run).await;
        ended.push(events.last().expect("an end")["state"].clone());
        if run != "r1" {
            let states: Vec<_> = events.iter().map(|event| event["state"].clone()).collect();
            assert_eq!(json!(states), json!(["started", "delta", "delta", "final"]), "{run}");
            assert_eq!(events[0]["index"], 1, "it goes on after `queued`");
        }
    }
    assert_eq!(json!(ended), json!(["final", "final", "final", "final"]));
    let asked: Vec<_> = model.calls().iter().map(last_user).collect();
    assert_eq!(asked, ["1", "r2", "r3", "r4"]);
    assert_eq!(model.faults(), Vec::<String>::new());
}

fn last_user(call: &Value) -> String {
    let messages = call["messages"].as_array().expect("messages");
    let content = &messages.last().expect("a message")["content"];
    match content.as_str() {
        Some(text) => text.to_owned(),
        None => content[0]["text"].as_str().expect("a text").to_owned(),
    }
}

/// Sessions run beside each other up to the limit; the next one says that it waits, and starts when a place is free.
#[tokio::test]
async fn no_more_runs_at_once_than_configured() {
    let (model, gateway) = with_model("agents: {maxConcurrentRuns: 2}").await;
    let (gates, mut client) = ([Gate::new(), Gate::new()], gateway.connect(Encoding::Json).await);
    let held = |gate: &Gate| Answer::Stream(vec![Step::Delta("held".into()), gate.step(), Step::Done]);
    model.script([held(&gates[0]), held(&gates[1]), Answer::deltas(["third"])]);
    for (run, key) in [("r1", "agent:main:a"), ("r2", "agent:main:b")] {
        client.ok("chat.send", send(key, "go", run)).await;
        client.event_where("its text", |event| event["runId"] == run && event["delta"] == "held").await;
    }
    client.ok("chat.send", send("agent:main:c", "go", "r3")).await;
    client.event_where("it waits", |event| event["runId"] == "r3" && event["state"] == "queued").await;
    let runs = client.ok("status", json!({})).await["runs"].clone();
    assert_eq!(runs, json!({ "active": 2, "queued": 1 }));
    assert_eq!(model.calls().len(), 2, "the provider was not asked for the third");
    gates[0].open();
    assert_eq!(client.run_to_end("r3").await.last().expect("an end")["state"], "final");
    gates[1].open();
    assert_eq!(client.run_to_end("r2").await.last().expect("an end")["state"], "final");
}

/// `interrupt` stops what runs and is answered next.
#[tokio::test]
async fn an_interrupt_stops_the_run_and_starts() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("old".into()), Step::Hang]), Answer::deltas(["new"])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "old").await;
    let mut interrupting = send("main", "2", "r2");
    interrupting["queueMode"] = "interrupt".into();
    client.ok("chat.send", interrupting).await;
    assert_eq!(client.run_to_end("r1").await.last().expect("an end")["state"], "aborted");
    let second = client.run_to_end("r2").await;
    assert_eq!(second.last().expect("an end")["state"], "final");
    let texts: Vec<_> = history(&mut client, "main").await.iter().map(|m| m["content"][0]["text"].clone()).collect();
    assert_eq!(json!(texts), json!(["1", "2", "old", "new"]));
}

/// The configured `session.queue` counts where a message names no mode.
#[tokio::test]
async fn the_configured_queue_mode_counts() {
    let (model, gateway) = with_model("session: {queue: interrupt}").await;
    model.script([Answer::Stream(vec![Step::Delta("old".into()), Step::Hang]), Answer::deltas(["new"])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "old").await;
    client.ok("chat.send", send("main", "2", "r2")).await;
    assert_eq!(client.run_to_end("r1").await.last().expect("an end")["state"], "aborted");
    assert_eq!(client.run_to_end("r2").await.last().expect("an end")["state"], "final");
}

/// A session takes so many inputs; the next is refused for now, and another session is not.
#[tokio::test]
async fn a_full_session_refuses_more() {
    let (model, gateway) = with_model("session: {maxQueued: 3}").await;
    model.script([Answer::Stream(vec![Step::Delta("busy".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "busy").await;
    let mut refused = None;
    for round in 2..10 {
        let answer = client.call("chat.send", send("main", "more", &format!("r{round}"))).await;
        if answer["ok"] == false {
            refused = Some((round, answer["error"].clone()));
            break;
        }
    }
    let (round, error) = refused.expect("a limit");
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
    assert!(error["retryAfterMs"].as_u64().is_some_and(|wait| wait > 0), "{error}");
    assert_eq!(round, 5, "one runs, three wait, and the next is refused");
    client.ok("chat.send", send("agent:main:other", "hi", "other")).await;
    client.run_to_end("other").await;
    let error = client.err("runs.get", json!({ "runId": format!("r{round}") })).await;
    assert_eq!(error["code"], "NOT_FOUND", "what was refused left nothing behind");
}

/// Aborting a session ends what runs and what waits, each with one terminal event; one run alone can be taken out too.
#[tokio::test]
async fn waiting_runs_can_be_aborted() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("busy".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "busy").await;
    for run in ["r2", "r3"] {
        client.ok("chat.send", send("main", run, run)).await;
    }
    let answer = client.ok("chat.abort", json!({ "sessionKey": "main", "runId": "r2" })).await;
    assert_eq!(answer, json!({ "aborted": true, "runIds": ["r2"] }));
    let events = client.run_to_end("r2").await;
    let states: Vec<_> = events.iter().map(|event| (&event["state"], &event["index"])).collect();
    assert_eq!(json!(states), json!([["queued", 0], ["aborted", 1]]));
    let mut stopped = client.ok("runs.abort", json!({ "agentId": "main" })).await["runIds"].clone();
    stopped.as_array_mut().expect("a list").sort_by_key(ToString::to_string);
    assert_eq!(stopped, json!(["r1", "r3"]));
    let (mut ended, mut idle) = (vec![], false);
    while ended.len() < 2 || !idle {
        let event = client.event().await;
        if event["state"] == "aborted" {
            ended.push(event["runId"].clone());
        }
        idle = event["type"] == "session.changed" && event["payload"]["session"]["activeRunIds"] == json!([]) || idle;
    }
    ended.sort_by_key(ToString::to_string);
    assert_eq!(json!(ended), json!(["r1", "r3"]));
}

/// Pausing stops what runs, lets nothing new start, is told, and holds over a restart; resuming lets what waits go.
#[tokio::test]
async fn a_pause_holds_over_a_restart() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("busy".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("the first run's text", |event| event["delta"] == "busy").await;
    let paused = client.ok("gateway.pause", json!({})).await;
    assert_eq!(paused, json!({ "paused": true, "runIds": ["r1"] }));
    client.event_named("gateway.paused").await;
    let sent = client.ok("chat.send", send("main", "2", "r2")).await;
    assert_eq!(sent["status"], "queued");
    assert_eq!(client.ok("health", json!({ "refresh": true })).await["paused"], true);
    let home = gateway.crash().await;

    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(client.hello["snapshot"]["health"]["paused"], true);
    assert_eq!(client.ok("runs.get", json!({ "runId": "r2" })).await["state"], "queued");
    assert_eq!(model.calls().len(), 1);
    assert_eq!(client.ok("gateway.resume", json!({})).await, json!({ "paused": false, "runIds": [] }));
    assert_eq!(client.run_to_end("r2").await.last().expect("an end")["state"], "final");
    let messages = history(&mut client, "main").await;
    let statuses: Vec<_> = messages.iter().map(|message| (&message["role"], &message["status"])).collect();
    assert_eq!(
        json!(statuses),
        json!([["user", "complete"], ["assistant", "aborted"], ["user", "complete"], ["assistant", "complete"]])
    );
}
