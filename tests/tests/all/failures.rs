//! A provider that fails: the run ends once, says how, and the history keeps it (protocol.md 8, "Errors of a run").

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_tests::Encoding;
use simpleclaw_tests::fakes::{Answer, Step};

use crate::chat::{history, send, text_of, with_model};

fn whole(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer::Whole { status, headers, body: body.to_owned() }
}

/// Each way of failing has its kind, its status, its Retry-After and whether trying again helps; event, run and message
/// say the same.
#[tokio::test]
async fn provider_errors_are_told_apart() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let text = |text: &str| Step::Delta(text.to_owned());
    let json_type = [("content-type", "application/json")];
    let cases: Vec<(&str, Answer, Value, bool, &str)> = vec![
        (
            "401",
            whole(401, &json_type, r#"{"error":{"message":"no such key"}}"#),
            json!({"kind": "auth", "httpStatus": 401}),
            false,
            "",
        ),
        ("403", Answer::status(403, "forbidden"), json!({"kind": "auth", "httpStatus": 403}), false, ""),
        ("404", Answer::status(404, "no such model"), json!({"kind": "request", "httpStatus": 404}), false, ""),
        ("402", Answer::status(402, "pay"), json!({"kind": "quota", "httpStatus": 402}), false, ""),
        (
            "429",
            whole(429, &[("retry-after", "7")], "slow down"),
            json!({"kind": "rate_limit", "httpStatus": 429, "retryAfterMs": 7000}),
            true,
            "",
        ),
        ("500", Answer::status(500, "<html>oops</html>"), json!({"kind": "network", "httpStatus": 500}), true, ""),
        ("garbage", Answer::status(200, "\u{0}\u{1}garbage"), json!({"kind": "network"}), true, ""),
        ("bad-event", Answer::Stream(vec![Step::Raw("{not json".into())]), json!({"kind": "network"}), true, ""),
        (
            "broken",
            Answer::Stream(vec![text("Half"), Step::Pause(Duration::from_millis(50)), Step::Break]),
            json!({"kind": "cut"}),
            true,
            "Half",
        ),
        ("no-end", Answer::Stream(vec![text("Half")]), json!({"kind": "cut"}), true, "Half"),
    ];
    for (name, answer, expected, retryable, kept) in cases {
        model.script([answer]);
        let key = format!("agent:main:{name}");
        client.ok("chat.send", send(&key, "hi", name)).await;
        let events = client.run_to_end(name).await;
        assert_eq!(text_of(&events), kept, "{name}");
        let end = events.last().expect("an end");
        assert_eq!(end["state"], "error", "{name}: {end}");
        let error = &end["error"];
        assert_eq!(
            (&error["code"], &error["retryable"]),
            (&json!("PROVIDER_ERROR"), &json!(retryable)),
            "{name}: {error}"
        );
        let mut provider = expected;
        provider["id"] = "fake".into();
        provider["model"] = "scripted".into();
        assert_eq!(error["provider"], provider, "{name}");
        let words = error["message"].as_str().expect("words");
        assert!(!words.contains("fake-model-key") && words.chars().count() <= 500, "{name}: {words}");
        let messages = history(&mut client, &key).await;
        assert_eq!(messages.len(), 2, "{name}: {messages:?}");
        let failed = &messages[1];
        assert_eq!(
            (&failed["role"], &failed["status"], &failed["error"]),
            (&json!("assistant"), &json!("failed"), error)
        );
        assert_eq!(failed["id"], end["messageId"], "{name}");
        assert_eq!(failed["content"][0]["text"].as_str().unwrap_or_default(), kept, "{name}");
        let run = client.ok("runs.get", json!({ "runId": name })).await;
        assert_eq!((&run["state"], &run["error"]), (&json!("error"), error), "{name}");
        let row = client.ok("sessions.get", json!({ "key": key })).await["session"].clone();
        assert_eq!(row["status"], "failed", "{name}");
        let again = client.ok("chat.send", send(&key, "hi", name)).await;
        assert_eq!(again["status"], "error", "{name}");
    }
    // The next message of such a session is answered as if nothing had been.
    client.ok("chat.send", send("agent:main:401", "again", "well")).await;
    assert_eq!(client.run_to_end("well").await.last().expect("an end")["state"], "final");
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A model that hangs is given up after the run's own limit.
#[tokio::test]
async fn a_hanging_model_ends_at_the_limit() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("Half".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Json).await;
    let mut params = send("main", "hi", "r");
    params["timeoutMs"] = 400.into();
    let began = Instant::now();
    client.ok("chat.send", params).await;
    let events = client.run_to_end("r").await;
    let end = events.last().expect("an end");
    assert_eq!((&end["state"], &end["error"]["code"]), (&json!("error"), &json!("TIMEOUT")), "{end}");
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert_eq!(text_of(&events), "Half");
    let messages = history(&mut client, "main").await;
    assert_eq!((&messages[1]["status"], &messages[1]["content"][0]["text"]), (&json!("failed"), &json!("Half")));
}

/// Where the agent's model fails before it said anything, the fallback answers in the same run.
#[tokio::test]
async fn a_fallback_answers_instead() {
    let more = "agents: {entries: {main: {name: Claw, model: fake/scripted, fallbacks: [fake/scripted]}}}";
    let (model, gateway) = with_model(more).await;
    model.script([Answer::status(500, "down"), Answer::deltas(["Here."])]);
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "hi", "r")).await;
    let events = client.run_to_end("r").await;
    assert_eq!(events.last().expect("an end")["state"], "final");
    assert_eq!(text_of(&events), "Here.");
    assert_eq!(history(&mut client, "main").await.len(), 2);
}
