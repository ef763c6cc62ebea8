//! Frames that are none, after `hello-ok`: an answer that says what is wrong, and nobody is hurt (protocol.md 1, 2, 8).

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway, RawClient, Received};
use tokio_tungstenite::tungstenite::Message;

/// A bad frame is answered under this id with INVALID_REQUEST.
async fn refused(client: &mut RawClient, message: Message, id: &str) {
    client.send_message(message.clone()).await;
    let answer = client.answer(id).await;
    assert_eq!(answer["ok"], false, "{message:?}: {answer}");
    assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{message:?}: {answer}");
    assert!(answer["error"]["details"]["issues"][0]["path"].is_string(), "{message:?}: {answer}");
    // A good frame in between keeps the count of bad ones down.
    client.ok("health", json!({})).await;
}

/// Every kind of bad JSON is refused by itself, and the connection goes on.
#[tokio::test]
async fn bad_json_is_refused() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    let long = "x".repeat(129);
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"type":"req","id":"d","method":"health","params":{{"a":{open}{close}}}}}"#)
    };
    for (text, id) in [
        ("", ""),
        ("{", ""),
        ("null", ""),
        ("7", ""),
        (r#""text""#, ""),
        ("[]", ""),
        (r#"{"id":"a"}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health"} x"#, ""),
        (r#"{"type":"event","id":"a","method":"health"}"#, "a"),
        (r#"{"type":"req","method":"health"}"#, ""),
        (r#"{"type":"req","id":"","method":"health"}"#, ""),
        (r#"{"type":"req","id":7,"method":"health"}"#, ""),
        (r#"{"type":"req","id":null,"method":"health"}"#, ""),
        (&format!(r#"{{"type":"req","id":"{long}","method":"health"}}"#), ""),
        (r#"{"type":"req","id":"a"}"#, "a"),
        (r#"{"type":"req","id":"a","method":5}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health","params":null}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health","params":[]}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health","traceparent":1}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health","parms":{}}"#, "a"),
        (r#"{"type":"req","id":"a","id":"a","method":"health"}"#, ""),
        (r#"{"type":"req","id":"a","method":"health","params":{"refresh":true,"refresh":true}}"#, "a"),
        (r#"{"type":"req","id":"a","method":"health","params":{"refresh":NaN}}"#, ""),
        (r#"{"type":"req","id":"a","method":"health","params":{"refresh":1e999}}"#, ""),
        (r#"{"type":"req","id":"a","method":"health","params":{"refresh":"\ud800"}}"#, ""),
        // The frame's own object and `params` are two levels; these are level 65 and far past it.
        (&deep(63), "d"),
    ] {
        client.send_message(Message::text(text)).await;
        let answer = client.frame_of_any_answer().await;
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{text}: {answer}");
        let found = answer["id"].as_str().expect("an id");
        assert!(found == id || (id.is_empty() && found == "a"), "{text}: {answer}");
        client.ok("health", json!({})).await;
    }
    // Level 64 is a frame, whose params are then not those of the method.
    client.send_message(Message::text(deep(62))).await;
    let answer = client.answer("d").await;
    assert_eq!(answer["error"]["details"]["issues"][0]["path"], "/a", "{answer}");
    refused(&mut client, Message::text(deep(100_000)), "d").await;
}

/// What MessagePack can say and JSON cannot is refused: extensions, other keys, NaN, and what follows the frame.
#[tokio::test]
async fn bad_messagepack_is_refused() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    // {"type":"req","id":"a","method":"health","params":{"refresh": …}}
    let start = b"\x84\xa4type\xa3req\xa2id\xa1a\xa6method\xa6health\xa6params\x81\xa7refresh";
    let with = |value: &[u8]| [&start[..], value].concat();
    for bytes in [
        vec![],
        vec![0xc1],
        vec![0xc0],
        vec![0x90],
        with(&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]),
        with(&[0xca, 0x7f, 0x80, 0, 0]),
        with(&[0xd4, 1, 0]),
        with(&[0xd6, 0xff, 0, 0, 0, 0]),
        with(&[0xdd, 0xff, 0xff, 0xff, 0xff]),
        with(&[0xc6, 0xff, 0xff, 0xff, 0xff]),
        with(&[0xdf, 0xff, 0xff, 0xff, 0xff]),
        with(&[0x81, 1, 1]),
        with(&[0x81, 0xc4, 1, b'a', 1]),
        with(&[0xc3, 0xc3]),
        with(&[]),
        // A key twice.
        b"\x85\xa4type\xa3req\xa2id\xa1a\xa6method\xa6health\xa2id\xa1a\xa2id\xa1a".to_vec(),
    ] {
        client.send_message(Message::binary(bytes.clone())).await;
        let answer = client.frame_of_any_answer().await;
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{bytes:x?}: {answer}");
        client.ok("health", json!({})).await;
    }
    // `bin` stands for base64 text: here the id "AQID".
    client
        .send_message(Message::binary(b"\x83\xa4type\xa3req\xa2id\xc4\x03\x01\x02\x03\xa6method\xa6health".to_vec()))
        .await;
    assert_eq!(client.answer("AQID").await["ok"], true);
    let mut deep = with(&[0x91; 62]);
    deep.push(0xc0);
    client.send_message(Message::binary(deep.clone())).await;
    assert_eq!(client.answer("a").await["error"]["details"]["issues"][0]["path"], "/refresh", "64 levels are a frame");
    deep.insert(start.len(), 0x91);
    client.send_message(Message::binary(deep)).await;
    let error = client.frame_of_any_answer().await["error"].clone();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("64")), "65 levels are none: {error}");
}

/// Ids of 1 to 128 characters come back as they were, whatever the characters.
#[tokio::test]
async fn any_id_comes_back() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        for id in ["0", " ", "\u{0}", "😀".repeat(128).as_str(), "\"\\\n", &"x".repeat(128)] {
            client.send(&json!({ "type": "req", "id": id, "method": "health", "params": {} })).await;
            assert_eq!(client.answer(id).await["ok"], true, "{id:?}");
        }
    }
}

/// A frame may come in the other encoding; the answer stays in that of the `connect`.
#[tokio::test]
async fn encodings_may_be_mixed() {
    let gateway = Gateway::start().await;
    for (encoding, other) in [(Encoding::Json, Encoding::Msgpack), (Encoding::Msgpack, Encoding::Json)] {
        let mut client = gateway.connect(encoding).await;
        let request = json!({ "type": "req", "id": "x", "method": "health" });
        client.send_message(simpleclaw_tests::raw::encode(other, &request)).await;
        assert_eq!(client.answer("x").await["ok"], true);
    }
}

/// The tenth bad frame in a row ends the connection; a good one in between starts the count anew.
#[tokio::test]
async fn the_tenth_bad_frame_in_a_row_closes() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        for _ in 0..9 {
            client.send(&json!([])).await;
        }
        client.ok_after_errors(9).await;
        for _ in 0..10 {
            client.send(&json!({ "type": "req", "id": "bad", "method": "health", "more": 1 })).await;
        }
        for _ in 0..10 {
            assert_eq!(client.frame_of_any_answer().await["error"]["code"], "INVALID_REQUEST");
        }
        assert_eq!(client.closed().await, Some(1008));
    }
}

/// A message of more than 25 MiB ends the connection with 1009, and costs no one else anything.
#[tokio::test]
async fn more_than_25_mib_is_too_large() {
    let gateway = Gateway::start().await;
    let mut other = gateway.connect(Encoding::Msgpack).await;
    let limit = 25 * 1024 * 1024;
    let head = r#"{"type":"req","id":"big","method":"chat.history","params":{"sessionKey":""#;
    let text = |size: usize| Message::text(format!("{head}{}\"}}}}", "x".repeat(size - head.len() - 3)));
    let mut client = gateway.connect(Encoding::Json).await;
    client.send_message(text(limit)).await;
    assert_eq!(client.answer("big").await["error"]["code"], "INVALID_REQUEST", "25 MiB are a frame like any other");
    client.try_send(text(limit + 1)).await;
    assert_eq!(client.closed().await, Some(1009));
    other.ok("status", json!({})).await;
}

/// An id that is still in flight is CONFLICT, and may be used again afterwards.
#[tokio::test]
async fn an_id_in_flight_is_a_conflict() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        let request = json!({ "type": "req", "id": "same", "method": "health", "params": { "refresh": true } });
        // Many at once, so that some meet the one before them.
        for _ in 0..50 {
            client.send(&request).await;
        }
        let mut conflicts = 0;
        for _ in 0..50 {
            let answer = client.answer("same").await;
            match answer["ok"] == true {
                true => {}
                false => {
                    assert_eq!(answer["error"]["code"], "CONFLICT", "{answer}");
                    conflicts += 1;
                }
            }
        }
        assert!(conflicts > 0, "fifty requests with one id, and none met another");
        client.send(&request).await;
        assert_eq!(client.answer("same").await["ok"], true);
    }
}

/// 300 requests at once are all answered, although only 256 are worked on at a time.
#[tokio::test]
async fn a_burst_of_requests_is_answered_whole() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for id in 0..300 {
        client.send(&json!({ "type": "req", "id": id.to_string(), "method": "agents.list", "params": {} })).await;
    }
    let mut ids = Vec::new();
    while ids.len() < 300 {
        let answer = client.frame_of_any_answer().await;
        assert_eq!(answer["ok"], true, "{answer}");
        ids.push(answer["id"].as_str().and_then(|id| id.parse::<u32>().ok()).expect("one of ours"));
    }
    ids.sort_unstable();
    assert_eq!(ids, (0..300).collect::<Vec<_>>());
}

/// Whatever bytes a known client sends, the gateway answers or closes, stays healthy and keeps its memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_are_survived() {
    let gateway = Gateway::start().await;
    let mut watcher = gateway.connect(Encoding::Msgpack).await;
    let mut runner = TestRunner::deterministic();
    let frames = (any::<bool>(), prop::collection::vec(any::<u8>(), 0..300), 0_usize..80);
    let good = rmp_serde::to_vec_named(&json!({ "type": "req", "id": "g", "method": "sessions.list", "params": {} }));
    let good = good.expect("a value encodes");
    let before = gateway.rss();
    for _ in 0..60 {
        let mut client = gateway.connect(Encoding::Msgpack).await;
        for _ in 0..30 {
            let (text, noise, place) = frames.new_tree(&mut runner).expect("a strategy").current();
            // Half of it is noise, half a good frame with noise in its middle.
            let mut bytes = noise;
            if place % 2 == 0 {
                let cut = place.min(good.len());
                bytes = [&good[..cut], &bytes[..bytes.len().min(4)], &good[cut..]].concat();
            }
            let message = match text {
                true => Message::text(String::from_utf8_lossy(&bytes).into_owned()),
                false => Message::binary(bytes),
            };
            if !client.try_send(message).await {
                break;
            }
        }
        // Ten bad ones in a row may have closed it, which is as good as an answer.
        let began = Instant::now();
        client
            .try_send(simpleclaw_tests::raw::encode(
                Encoding::Msgpack,
                &json!({ "type": "req", "id": "end", "method": "health" }),
            ))
            .await;
        while let Received::Frame(frame) = client.receive_within(Duration::from_secs(10)).await {
            if frame["id"] == "end" {
                break;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        watcher.ok("status", json!({})).await;
    }
    assert_eq!(watcher.ok("health", json!({ "refresh": true })).await["ok"], true);
    let grown = gateway.rss().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "memory grew by {grown} bytes");
    let faults: Value = watcher.ok("diagnostics.list", json!({ "limit": 1000 })).await["events"].clone();
    let broken: Vec<_> =
        faults.as_array().expect("a list").iter().filter(|event| event["code"] == "internal").collect();
    assert_eq!(broken, Vec::<&Value>::new());
}
