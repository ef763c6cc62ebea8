//! A real language model behind the gateway. Runs alone.

use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::real_model::ModelServer;
use simpleclaw_tests::{Encoding, Gateway, Received};

/// A model of the configuration streams to clients of both encodings, ends its answer and counts its tokens. What it
/// says is its own affair: a base model of this size answers nothing.
#[tokio::test]
async fn streams() {
    let server = ModelServer::start();
    let gateway = Gateway::with_config(&server.config()).await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        let run = uuid::Uuid::new_v4().to_string();
        let session = format!("agent:main:{}", run.split('-').next().expect("a part"));
        let params = json!({ "sessionKey": session, "message": "Once upon a time", "idempotencyKey": run });
        client.ok("chat.send", params).await;
        let mut events: Vec<Value> = Vec::new();
        while events.last().is_none_or(|event| event["state"] != "final") {
            // Slow machines take long for a first token.
            match client.receive_within(Duration::from_secs(120)).await {
                Received::Frame(frame) if frame["type"] == "chat.event" => events.push(frame),
                Received::Frame(_) => {}
                closed => panic!("{closed:?} after {events:?}"),
            }
            assert_ne!(events.last().map(|event| &event["state"]), Some(&json!("error")), "{events:?}");
        }
        let deltas: Vec<&str> = events.iter().filter_map(|event| event["delta"].as_str()).collect();
        let last = events.last().expect("the end");
        assert!(deltas.len() >= 3, "{deltas:?} is no stream");
        assert!(!deltas.concat().trim().is_empty());
        assert_eq!(last["message"]["content"][0]["text"], deltas.concat());
        assert_eq!(last["message"]["model"], "llama/gemma");
        let usage = &last["usage"];
        assert!(usage["inputTokens"].as_u64() > Some(0), "{usage}");
        assert!((1..=32).contains(&usage["outputTokens"].as_u64().expect("tokens")), "{usage}");
    }
}
