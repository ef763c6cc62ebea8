//! One message and its answer: the order on the wire, what is kept, and stopping in the middle (protocol.md 5 and 8).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Model, Step};
use simpleclaw_tests::raw::is_chat;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

pub fn send(key: &str, text: &str, run: &str) -> Value {
    json!({ "sessionKey": key, "message": text, "idempotencyKey": run })
}

/// A gateway whose only model is the scripted one.
pub async fn with_model(more: &str) -> (Model, Gateway) {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config(more)).await;
    (model, gateway)
}

/// The text that the deltas of a run add up to; checks that the indices run from 0 and by one.
pub fn text_of(events: &[Value]) -> String {
    let mut next = 0;
    for event in events {
        let from = event["indexFrom"].as_u64().or(event["index"].as_u64());
        assert_eq!(from, Some(next), "{event}");
        next = event["index"].as_u64().expect("an index") + 1;
    }
    events.iter().filter_map(|event| event["delta"].as_str()).collect()
}

pub async fn history(client: &mut RawClient, key: &str) -> Vec<Value> {
    let history = client.ok("chat.history", json!({ "sessionKey": key })).await;
    history["messages"].as_array().expect("a list").clone()
}

/// The order of section 8, frame by frame on one socket: the answer, the user's message, started, the deltas, the
/// terminal, the assistant's message, the session; then history and row say the same.
#[tokio::test]
async fn a_run_is_told_in_order() {
    for encoding in Encoding::ALL {
        let (model, gateway) = with_model("").await;
        model.script([Answer::deltas(["One", ", two", ", thrée 😀."])]);
        let mut client = gateway.connect(encoding).await;
        client.ok("events.subscribe", json!({ "events": ["chat.event", "session.message", "session.changed"] })).await;
        client.events_so_far().await;
        client
            .send(
                &json!({ "type": "req", "id": "s", "method": "chat.send", "params": send("main", "Count!", "run-1") }),
            )
            .await;
        let mut frames = Vec::new();
        while frames.last().is_none_or(|frame: &Value| frame["type"] != "session.changed") {
            frames.push(client.frame().await);
        }
        let told: Vec<_> = frames
            .iter()
            .map(|frame| match frame["state"].as_str() {
                Some(state) => state.to_owned(),
                None => match frame["payload"]["message"]["role"].as_str() {
                    Some(role) => format!("message {role}"),
                    None => frame["type"].as_str().expect("a type").to_owned(),
                },
            })
            .collect();
        let expected = [
            "res",
            "message user",
            "started",
            "delta",
            "delta",
            "delta",
            "final",
            "message assistant",
            "session.changed",
        ];
        assert_eq!(told, expected);

        let result = &frames[0]["payload"];
        let user = &frames[1]["payload"]["message"];
        let expected = json!({
            "runId": "run-1", "status": "started", "messageId": user["id"], "sessionKey": "agent:main:main",
        });
        assert_eq!(*result, expected);
        let chat: Vec<_> = frames.iter().filter(|frame| is_chat(frame)).cloned().collect();
        assert_eq!(text_of(&chat), "One, two, thrée 😀.");
        assert!(chat.iter().all(|event| event["runId"] == "run-1" && event["sessionKey"] == "agent:main:main"));
        let end = &frames[6];
        let assistant = &frames[7]["payload"]["message"];
        assert_eq!(end["message"], *assistant);
        assert_eq!(end["usage"], json!({ "inputTokens": 7, "outputTokens": 3, "costUsd": 0.0 }));
        assert!(chat.iter().skip(1).all(|event| event["messageId"] == assistant["id"]), "{chat:?}");

        let expected = |id: &Value, at: &Value, seq: u64, role: &str, text: &str| {
            json!({
                "id": id, "seq": seq, "role": role, "content": [{ "type": "text", "text": text }], "createdAt": at,
                "runId": "run-1", "status": "complete",
            })
        };
        let mut wanted_user = expected(&user["id"], &user["createdAt"], 1, "user", "Count!");
        wanted_user["origin"] = json!({ "channel": "webchat", "sender": "owner" });
        let mut wanted = expected(&assistant["id"], &assistant["createdAt"], 2, "assistant", "One, two, thrée 😀.");
        wanted["model"] = "fake/scripted".into();
        wanted["usage"] = end["usage"].clone();
        assert_eq!(history(&mut client, "main").await, [wanted_user, wanted]);

        let row = &frames[8]["payload"]["session"];
        for (member, value) in [
            ("key", json!("agent:main:main")),
            ("kind", json!("main")),
            ("status", json!("idle")),
            ("activeRunIds", json!([])),
            ("messageCount", json!(2)),
            ("lastMessagePreview", json!("One, two, thrée 😀.")),
            ("usage", end["usage"].clone()),
        ] {
            assert_eq!(row[member], value, "{member}");
        }
        let got = client.ok("sessions.get", json!({ "key": "main" })).await;
        assert_eq!(got["session"], *row);
        let run = client.ok("runs.get", json!({ "runId": "run-1" })).await;
        assert_eq!((&run["state"], &run["messageIds"]), (&json!("ok"), &json!([user["id"], assistant["id"]])));
        assert!(run["endedAt"].as_str() >= run["startedAt"].as_str(), "{run}");
        assert_eq!(model.faults(), Vec::<String>::new());
    }
}

/// A run is stopped in the middle: the text so far is kept as an aborted message, there is one terminal event, and the
/// model is no longer read.
#[tokio::test]
async fn an_aborted_run_keeps_its_text() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("Half of".into()), Step::Delta(" it".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "Go", "r")).await;
    let mut text = String::new();
    while text != "Half of it" {
        let event = client.event_where("a delta", |event| event["state"] == "delta").await;
        text.push_str(event["delta"].as_str().expect("a delta"));
    }
    let live = client.ok("chat.history", json!({ "sessionKey": "main" })).await["inFlightRun"].clone();
    assert_eq!((&live["runId"], &live["text"], &live["index"]), (&json!("r"), &json!("Half of it"), &json!(2)));
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!((&row["status"], &row["activeRunIds"]), (&json!("running"), &json!(["r"])));

    let aborted = client.ok("chat.abort", json!({ "sessionKey": "main", "runId": "r" })).await;
    assert_eq!(aborted, json!({ "aborted": true, "runIds": ["r"] }));
    let end = client.run_to_end("r").await.pop().expect("an end");
    assert_eq!((&end["state"], &end["index"], &end["messageId"]), (&json!("aborted"), &json!(3), &live["messageId"]));
    let message = client.event_named("session.message").await["payload"]["message"].clone();
    assert_eq!((&message["status"], &message["id"]), (&json!("aborted"), &live["messageId"]));
    assert_eq!(message["content"], json!([{ "type": "text", "text": "Half of it" }]));
    assert_eq!(history(&mut client, "main").await[1], message);
    assert_eq!(client.ok("runs.get", json!({ "runId": "r" })).await["state"], "aborted");
    let again = client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
    assert_eq!(again, json!({ "aborted": false, "runIds": [] }));
    let late = client.events_so_far().await;
    assert!(!late.iter().any(is_chat), "after the end: {late:?}");
    while model.open_streams() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Two sessions are answered at the same time; neither waits for the other.
#[tokio::test]
async fn two_sessions_run_side_by_side() {
    let (model, gateway) = with_model("").await;
    let gate = Gate::new();
    model
        .script([Answer::Stream(vec![Step::Delta("slow".into()), gate.step(), Step::Done]), Answer::deltas(["quick"])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("agent:main:slow", "a", "r-slow")).await;
    client.event_where("the slow one's text", |event| event["delta"] == "slow").await;
    client.ok("chat.send", send("agent:main:quick", "b", "r-quick")).await;
    let quick = client.run_to_end("r-quick").await;
    assert_eq!(text_of(&quick), "quick");
    assert_eq!(client.ok("status", json!({})).await["runs"]["active"], 1);
    gate.open();
    client.run_to_end("r-slow").await;
}

/// A note that is injected runs no model, is told to everyone, and is what the model reads before the next message.
#[tokio::test]
async fn an_injected_note_enters_the_next_prompt() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "First question", "r1")).await;
    client.run_to_end("r1").await;
    let note = json!({ "sessionKey": "main", "message": "The door is open.", "label": "house" });
    let id = client.ok("chat.inject", note).await["messageId"].clone();
    let told = client.event_where("the note", |event| event["payload"]["message"]["role"] == "system").await;
    assert_eq!(told["payload"]["message"]["id"], id);
    assert_eq!(told["payload"]["message"]["origin"]["label"], "house");
    let said = json!({ "sessionKey": "main", "message": "I said this.", "role": "assistant" });
    client.ok("chat.inject", said).await;
    assert_eq!(model.calls().len(), 1, "no model runs for a note");
    client.ok("chat.send", send("main", "Second question", "r2")).await;
    client.run_to_end("r2").await;
    let prompt = model.calls()[1]["messages"].to_string();
    let places: Vec<_> = ["First question", "Hello.", "The door is open.", "I said this.", "Second question"]
        .map(|words| prompt.find(words).unwrap_or_else(|| panic!("no {words:?} in {prompt}")))
        .into();
    assert!(places.is_sorted(), "{prompt}");
    let seqs: Vec<_> = history(&mut client, "main").await.iter().map(|message| message["seq"].clone()).collect();
    assert_eq!(json!(seqs), json!([1, 2, 3, 4, 5, 6]));
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A conversation longer than the model's window is cut at its old end; the newest question always arrives.
#[tokio::test]
async fn a_long_conversation_is_cut_to_the_window() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for round in 0..6 {
        let text = format!("question-{round} {}", "words ".repeat(5_000));
        let run = format!("r{round}");
        client.ok("chat.send", send("main", &text, &run)).await;
        client.run_to_end(&run).await;
    }
    let calls = model.calls();
    let last = calls.last().expect("six calls")["messages"].to_string();
    assert!(last.contains("question-5") && last.contains("question-4"), "the newest messages are there");
    assert!(!last.contains("question-0"), "a window of 32 k tokens does not hold them all");
    assert!(last.len() < 32_768 * 3, "{} bytes", last.len());
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// The model's thinking is told as it comes and is not part of the answer's text.
#[tokio::test]
async fn thinking_is_told_apart() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Thinking("hmm".into()), Step::Delta("Yes.".into()), Step::Done])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "?", "r")).await;
    let thinking = client.event_where("thinking", |event| event["payload"]["stream"] == "thinking").await;
    assert_eq!(thinking["payload"]["data"], json!({ "delta": "hmm" }));
    let events = client.run_to_end("r").await;
    let content = json!([{ "type": "thinking", "text": "hmm" }, { "type": "text", "text": "Yes." }]);
    assert_eq!(events.last().expect("an end")["message"]["content"], content);
}

/// An agent's events count by themselves from 0, and the run begins and ends in them too.
#[tokio::test]
async fn agent_events_frame_the_run() {
    let (_model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("events.subscribe", json!({ "events": ["agent.event"] })).await;
    client.ok("chat.send", send("main", "hi", "r")).await;
    let mut events = Vec::new();
    while events.last().is_none_or(|last: &Value| last["data"]["phase"] != "end") {
        events.push(client.event_named("agent.event").await["payload"].take());
    }
    let told: Vec<_> = events.iter().map(|event| (event["stream"].clone(), event["data"].clone())).collect();
    let expected = [
        ("lifecycle", json!({ "phase": "start" })),
        ("typing", json!({ "active": true })),
        ("model", json!({ "provider": "fake", "model": "scripted", "reason": "auto" })),
        ("typing", json!({ "active": false })),
        ("lifecycle", json!({ "phase": "end" })),
    ];
    assert_eq!(told, expected.map(|(stream, data)| (json!(stream), data)));
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["index"], place, "{event}");
    }
}
