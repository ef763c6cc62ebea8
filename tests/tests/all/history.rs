//! Reading back: pages in both directions, long texts in parts, frames of at most 4 MiB (protocol.md 1, 4, 8).

use serde_json::{Value, json};
use simpleclaw_tests::fakes::Answer;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{send, text_of, with_model};

/// A session of 25 messages, numbered in their texts; their ids, oldest first.
async fn numbered(client: &mut RawClient) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 1..=25 {
        let note = json!({ "sessionKey": "main", "message": number.to_string() });
        ids.push(client.ok("chat.inject", note).await["messageId"].as_str().expect("an id").to_owned());
    }
    ids
}

fn numbers(page: &Value) -> Vec<u64> {
    page["messages"].as_array().expect("a list").iter().map(|message| message["seq"].as_u64().expect("a seq")).collect()
}

/// Pages run from the newest to the oldest with `nextCursor` and `before`, and back with `after`, without gap or overlap.
#[tokio::test]
async fn history_pages_in_both_directions() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let ids = numbered(&mut client).await;
    let mut seen = Vec::new();
    let mut params = json!({ "sessionKey": "main", "limit": 10 });
    for expected in [(16..=25).collect::<Vec<_>>(), (6..=15).collect(), (1..=5).collect()] {
        let page = client.ok("chat.history", params.clone()).await;
        assert_eq!(numbers(&page), expected);
        assert_eq!(page["hasMore"], expected[0] != 1);
        assert_eq!(page["nextCursor"].is_null(), expected[0] == 1);
        seen.push(expected);
        params["before"] = page["nextCursor"].clone();
    }
    let mut params = json!({ "sessionKey": "main", "limit": 10, "after": ids[0] });
    for expected in [(2..=11).collect::<Vec<_>>(), (12..=21).collect(), (22..=25).collect()] {
        let page = client.ok("chat.history", params.clone()).await;
        assert_eq!(numbers(&page), expected);
        assert_eq!(page["hasMore"], *expected.last().expect("a page") != 25);
        params["after"] = page["nextCursor"].clone();
    }
    let page = client.ok("chat.history", json!({ "sessionKey": "main", "before": ids[3], "limit": 2 })).await;
    assert_eq!((numbers(&page), &page["hasMore"]), (vec![2, 3], &json!(true)));
    let page = client.ok("chat.history", json!({ "sessionKey": "main", "after": ids[24] })).await;
    assert_eq!((numbers(&page), &page["hasMore"]), (vec![], &json!(false)));
    let got = client.ok("sessions.get", json!({ "key": "main", "messages": 3 })).await;
    assert_eq!(numbers(&got), [23, 24, 25]);
}

/// Limits out of range and cursors of nobody are errors that name their place, not clamped or ignored.
#[tokio::test]
async fn limits_and_cursors_are_checked() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    let ids = numbered(&mut client).await;
    client.ok("chat.inject", json!({ "sessionKey": "agent:main:other", "message": "x" })).await;
    for (method, params, place) in [
        ("chat.history", json!({ "sessionKey": "main", "limit": 0 }), "/limit"),
        ("chat.history", json!({ "sessionKey": "main", "limit": 1001 }), "/limit"),
        ("chat.history", json!({ "sessionKey": "main", "before": "nobody" }), "/before"),
        ("chat.history", json!({ "sessionKey": "main", "after": "nobody" }), "/after"),
        ("chat.history", json!({ "sessionKey": "agent:main:other", "before": ids[3] }), "/before"),
        ("chat.history", json!({ "sessionKey": "main", "before": ids[3], "after": ids[1] }), "/after"),
        ("sessions.list", json!({ "limit": 0 }), "/limit"),
        ("sessions.list", json!({ "limit": 1001 }), "/limit"),
        ("sessions.list", json!({ "cursor": "nobody" }), "/cursor"),
        ("sessions.list", json!({ "activeMinutes": 0 }), "/activeMinutes"),
        ("sessions.get", json!({ "key": "main", "messages": 1001 }), "/messages"),
        ("logs.tail", json!({ "limit": 1001 }), "/limit"),
        ("logs.tail", json!({ "cursor": "nobody" }), "/cursor"),
        ("diagnostics.list", json!({ "after": "nobody" }), "/after"),
        ("chat.message.get", json!({ "sessionKey": "main", "messageId": ids[0], "offset": 99 }), "/offset"),
    ] {
        let error = client.err(method, params.clone()).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{method} {params}: {error}");
        assert_eq!(error["details"]["issues"][0]["path"], place, "{method} {params}: {error}");
    }
    client.ok("chat.history", json!({ "sessionKey": "main", "limit": 1000 })).await;
    let error = client.err("chat.message.get", json!({ "sessionKey": "agent:main:other", "messageId": ids[0] })).await;
    assert_eq!(error["code"], "NOT_FOUND", "a message of another session");
}

/// Reads a message's whole text by its parts.
async fn whole_text(client: &mut RawClient, key: &str, id: &Value) -> String {
    let mut text = String::new();
    let mut params = json!({ "sessionKey": key, "messageId": id });
    loop {
        let part = client.ok("chat.message.get", params.clone()).await;
        assert_eq!(part["offset"], text.len());
        text.push_str(part["text"].as_str().expect("a text"));
        match part["nextOffset"].is_null() {
            true => {
                assert_eq!(part["totalBytes"], text.len());
                return text;
            }
            false => params["offset"] = part["nextOffset"].clone(),
        }
    }
}

/// A long answer arrives whole in its deltas, is cut at 256 KiB in lists with `truncated`, and is read in parts. The
/// client refuses any frame over 4 MiB by itself.
#[tokio::test]
async fn long_texts_are_read_in_parts() {
    // Plain text, text of many bytes, and text that JSON writes six times as long.
    for (name, piece) in [("plain", "0123456789abcdef"), ("wide", "日本語😀"), ("control", "\u{1}\u{2}\u{3}\u{4}")]
    {
        let (model, gateway) = with_model("").await;
        let delta = piece.repeat(8 * 1024 / piece.len());
        let count = 3 * 1024 * 1024 / 2 / delta.len();
        model.script([Answer::deltas(std::iter::repeat_n(delta.clone(), count))]);
        let text = delta.repeat(count);
        for encoding in Encoding::ALL {
            let mut client = gateway.connect(encoding).await;
            if encoding == Encoding::ALL[0] {
                client.ok("chat.send", send("main", "Tell me all", "r")).await;
                let events = client.run_to_end("r").await;
                assert!(text_of(&events) == text, "{name}: the deltas are the text");
                let message = &events.last().expect("an end")["message"];
                assert_eq!(message["truncated"], true, "{name}");
            }
            let history = client.ok("chat.history", json!({ "sessionKey": "main" })).await;
            // The newest; the question before it may be on the next page.
            let message = history["messages"].as_array().and_then(|page| page.last()).expect("a message");
            let cut = message["content"][0]["text"].as_str().expect("a text");
            assert!(message["truncated"] == true && text.starts_with(cut), "{name}");
            assert!(cut.len() <= 256 * 1024 && cut.len() > 255 * 1024, "{name}: {}", cut.len());
            assert!(whole_text(&mut client, "main", &message["id"]).await == text, "{name}");
        }
    }
}

/// A page of many long messages stops before 4 MiB and goes on behind its cursor, whatever their characters cost.
#[tokio::test]
async fn a_page_stops_at_the_frame_limit() {
    let gateway = Gateway::start().await;
    for (encoding, name, piece) in [(Encoding::Json, "control", "\u{1}"), (Encoding::Msgpack, "plain", "x")] {
        let mut client = gateway.connect(encoding).await;
        client.checks_events = false;
        let key = format!("agent:main:{name}");
        let text = piece.repeat(200 * 1024);
        for _ in 0..30 {
            client.ok("chat.inject", json!({ "sessionKey": key, "message": text })).await;
        }
        let mut seqs = Vec::new();
        let mut params = json!({ "sessionKey": key, "limit": 1000 });
        loop {
            let page = client.ok("chat.history", params.clone()).await;
            let numbers = numbers(&page);
            assert!(!numbers.is_empty(), "a page moves on");
            seqs.splice(0..0, numbers);
            if page["hasMore"] == false {
                break;
            }
            params["before"] = page["nextCursor"].clone();
        }
        assert_eq!(seqs, (1..=30).collect::<Vec<_>>(), "{name}");
        let got = client.ok("sessions.get", json!({ "key": key, "messages": 1000 })).await;
        assert!(!numbers(&got).is_empty());
    }
}

/// What a run has written so far is shown in the history however long it is.
#[tokio::test]
async fn a_long_live_text_does_not_break_the_history() {
    let (model, gateway) = with_model("").await;
    let delta = "0123456789abcdef".repeat(4096);
    let deltas = std::iter::repeat_n(simpleclaw_tests::fakes::Step::Delta(delta), 30);
    model.script([Answer::Stream(deltas.chain([simpleclaw_tests::fakes::Step::Hang]).collect())]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "Tell me all", "r")).await;
    client.event_where("the last delta", |event| event["index"] == 30).await;
    let history = client.ok("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(history["inFlightRun"]["runId"], "r");
    assert_eq!(history["inFlightRun"]["index"], 30);
}

/// Logs and diagnostics follow a cursor and never give a line twice.
#[tokio::test]
async fn logs_follow_a_cursor() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let first = client.ok("logs.tail", json!({})).await;
    assert!(!first["lines"].as_array().expect("a list").is_empty(), "a start writes log lines");
    gateway.connect(Encoding::Json).await.close().await;
    let cursor = first["nextCursor"].clone();
    let next = client.ok("logs.tail", json!({ "cursor": cursor })).await;
    let lines = next["lines"].as_array().expect("a list");
    assert!(lines.iter().any(|line| line["message"] == "connected"), "{lines:?}");
    assert!(lines.iter().all(|line| !first["lines"].as_array().expect("a list").contains(line)));
    let seen = client.ok("diagnostics.list", json!({})).await;
    assert_eq!(client.ok("diagnostics.list", json!({ "after": seen["nextCursor"] })).await["events"], json!([]));
}
