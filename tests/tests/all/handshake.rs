//! From the challenge to `hello-ok`, and every way of not getting there (protocol.md 1 to 3).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_protocol::{Scope, events, methods};
use simpleclaw_tests::raw::{Opening, encode};
use simpleclaw_tests::{DEADLINE, Encoding, Gateway, RawClient, Received, within};
use tokio_tungstenite::tungstenite::Message;

/// The challenge comes as text, and as binary only to a client that offers the MessagePack subprotocol.
#[tokio::test]
async fn the_challenge_follows_the_subprotocol() {
    let gateway = Gateway::start().await;
    for (offered, accepted, binary) in [
        (None, None, false),
        (Some("simpleclaw.v1+json"), Some("simpleclaw.v1+json"), false),
        (Some("simpleclaw.v1+msgpack"), Some("simpleclaw.v1+msgpack"), true),
        (Some("other, simpleclaw.v1+msgpack"), Some("simpleclaw.v1+msgpack"), true),
    ] {
        let headers = offered.map(|name| ("sec-websocket-protocol".to_owned(), name.to_owned()));
        let opening = Opening { headers: headers.into_iter().collect(), ..Opening::default() };
        let mut socket = simpleclaw_tests::http::exchange(gateway.port, &upgrade_request(gateway.port, offered)).await;
        assert_eq!(socket.headers.remove("sec-websocket-protocol").as_deref(), accepted);
        let mut client = match RawClient::open(gateway.port, Encoding::Json, &opening).await {
            Ok(client) => client,
            Err(refused) => panic!("{offered:?}: {refused:?}"),
        };
        let message = client.message().await;
        assert_eq!(message.is_binary(), binary, "{offered:?}");
        let frame: Value = match &message {
            Message::Text(text) => serde_json::from_str(text).expect("JSON"),
            other => rmp_serde::from_slice(&other.clone().into_data()).expect("MessagePack"),
        };
        let nonce = frame["payload"]["nonce"].as_str().expect("a nonce");
        assert!(nonce.len() >= 32, "{nonce} is guessable");
        let ts = frame["payload"]["ts"].as_i64().expect("integer milliseconds");
        let expected =
            json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": nonce, "ts": ts } });
        assert_eq!(frame, expected);
    }
}

fn upgrade_request(port: u16, subprotocol: Option<&str>) -> Vec<u8> {
    let subprotocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{subprotocol}\r\n"
    )
    .into_bytes()
}

/// `hello-ok` says who the gateway is, what it can do, what the client may do, and the limits, in both encodings.
#[tokio::test]
async fn hello_ok_is_complete() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let client = gateway.connect(encoding).await;
        let hello = &client.hello;
        simpleclaw_tests::schema::check("connect.json", "result", hello);
        assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello-ok"), &json!(1)));
        let mut names: Vec<_> = methods::built().map(|(_, spec)| spec.name).collect();
        names.sort_unstable();
        assert_eq!(hello["features"]["methods"], json!(names));
        let names: Vec<_> = events::EVENTS.iter().map(|spec| spec.name).collect();
        assert_eq!(hello["features"]["events"], json!(names));
        let policy = json!({
            "maxPayload": 25 * 1024 * 1024,
            "maxFrame": 4 * 1024 * 1024,
            "maxBufferedBytes": 8 * 1024 * 1024,
            "tickIntervalMs": 15_000,
            "maxRequestsInFlight": 256,
        });
        assert_eq!(hello["policy"], policy);
        let all = ["operator.read", "operator.write", "operator.admin", "operator.approvals", "operator.pairing"];
        assert_eq!(hello["auth"], json!({ "role": "operator", "scopes": all }));
        let defaults = json!({ "defaultAgentId": "main", "mainKey": "main", "mainSessionKey": "agent:main:main" });
        assert_eq!(hello["snapshot"]["sessionDefaults"], defaults);
        let health = &hello["snapshot"]["health"];
        assert_eq!(
            (&health["ok"], &health["agents"], &health["paused"]),
            (&json!(true), &json!(["main"]), &json!(false))
        );
        assert_eq!(health["version"], hello["server"]["version"]);
        let steps: Vec<_> = health["startup"].as_array().expect("steps").iter().map(|step| &step["step"]).collect();
        assert_eq!(
            json!(steps),
            json!(["config", "plugins", "models", "channels", "server", "maintenance", "discovery"])
        );
        let presence = hello["snapshot"]["presence"].as_array().expect("a list");
        let own = presence.iter().filter(|entry| entry["connId"] == hello["server"]["connId"]).count();
        assert_eq!(own, 1, "the caller is in its own snapshot: {presence:?}");
        client.close().await;
    }
}

/// A range that contains 1 gives protocol 1; one that does not is refused with its reason and 1002.
#[tokio::test]
async fn the_version_is_agreed_or_refused() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let range = |min: u32, max: u32| json!({ "minProtocol": min, "maxProtocol": max });
        let client = gateway.connect_as(encoding, range(1, 4)).await;
        assert_eq!(client.hello["protocol"], 1);
        for refused in [range(4, 4), range(2, 9), range(0, 0)] {
            let mut client = gateway.open(encoding).await;
            let answer = client.handshake(gateway.params(refused)).await;
            assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{answer}");
            assert_eq!(answer["error"]["details"]["reason"], "protocol", "{answer}");
            assert_eq!(client.closed().await, Some(1002));
        }
    }
}

/// Without the token there is an answer that says so, a close, and nothing else.
#[tokio::test]
async fn without_the_token_nobody_enters() {
    let gateway = Gateway::start().await;
    let almost = format!("{}0", &gateway.token[..63]);
    for encoding in Encoding::ALL {
        for auth in [Value::Null, json!({}), json!({ "token": "" }), json!({ "token": almost })] {
            let mut client = gateway.open(encoding).await;
            let answer = client.handshake(gateway.params(json!({ "auth": auth }))).await;
            assert_eq!(answer["error"]["code"], "UNAUTHENTICATED", "{auth}: {answer}");
            assert_eq!(answer["error"]["retryable"], false);
            assert_eq!(client.receive().await, Received::Closed(Some(1008)));
        }
    }
    assert_eq!(gateway.token.len(), 64);
    assert!(gateway.token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
}

/// A right token is served at once while wrong ones wait for their delayed answers.
#[tokio::test]
async fn a_right_token_never_waits_for_wrong_ones() {
    let gateway = Gateway::start().await;
    let mut wrong = Vec::new();
    for _ in 0..8 {
        let mut client = gateway.open(Encoding::Json).await;
        client.frame().await;
        let params = gateway.params(json!({ "auth": { "token": "wrong" } }));
        client.send(&json!({ "type": "req", "id": "1", "method": "connect", "params": params })).await;
        wrong.push(client);
    }
    // The eighth answer is held back for 5 s.
    let began = Instant::now();
    gateway.connect(Encoding::Msgpack).await.ok("status", json!({})).await;
    let last = wrong.last_mut().expect("eight of them");
    let answer = last.frame().await;
    assert_eq!(answer["error"]["code"], "UNAUTHENTICATED", "{answer}");
    assert!(began.elapsed() > Duration::from_secs(2), "wrong tokens are not slowed down");
    for client in &mut wrong {
        client.closed().await;
    }
}

/// After twenty wrong tokens within a minute the answer is the same for all wrong ones, and the right one still enters.
#[tokio::test]
async fn guessing_is_capped_for_the_whole_gateway() {
    let gateway = Gateway::start().await;
    let mut guesses = Vec::new();
    for _ in 0..24 {
        let mut client = gateway.open(Encoding::Json).await;
        client.frame().await;
        let params = gateway.params(json!({ "auth": { "token": "wrong" } }));
        client.send(&json!({ "type": "req", "id": "1", "method": "connect", "params": params })).await;
        guesses.push(client);
    }
    let mut codes = Vec::new();
    for mut client in guesses {
        codes.push(client.frame().await["error"]["code"].clone());
    }
    let refused = |code: &str| codes.iter().filter(|found| **found == code).count();
    assert_eq!((refused("UNAUTHENTICATED"), refused("RATE_LIMITED")), (20, 4), "{codes:?}");
    gateway.connect(Encoding::Json).await;
}

/// The first thing that is no valid `connect` is answered where it has an id, and the connection ends with 1008.
#[tokio::test]
async fn the_first_frame_is_a_valid_connect() {
    let gateway = Gateway::start().await;
    let connect = |params: Value| json!({ "type": "req", "id": "7", "method": "connect", "params": params });
    for encoding in Encoding::ALL {
        for (frame, id, place) in [
            (json!({ "type": "req", "id": "7", "method": "health" }), "7", "/method"),
            (json!({ "type": "req", "id": "7", "method": "no.such" }), "7", "/method"),
            (json!({ "type": "res", "id": "7", "method": "connect" }), "7", "/type"),
            (json!({ "type": "req", "method": "connect" }), "", "/id"),
            (json!([]), "", ""),
            (connect(json!({})), "7", "/minProtocol"),
            (connect(gateway.params(json!({ "maxProtocol": "1" }))), "7", "/maxProtocol"),
            (connect(gateway.params(json!({ "tokn": "x" }))), "7", "/tokn"),
            (connect(gateway.params(json!({ "role": "king" }))), "7", "/role"),
            (connect(gateway.params(json!({ "client": { "id": "x" } }))), "7", "/client/version"),
        ] {
            let mut client = gateway.open(encoding).await;
            client.frame().await;
            client.send(&frame).await;
            let answer = client.frame().await;
            assert_eq!((&answer["id"], &answer["ok"]), (&json!(id), &json!(false)), "{frame}: {answer}");
            assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{frame}: {answer}");
            let issues = answer["error"]["details"]["issues"].as_array().expect("issues");
            assert!(issues.iter().any(|issue| issue["path"] == place), "{frame}: {issues:?}");
            assert_eq!(client.receive().await, Received::Closed(Some(1008)), "{frame}");
        }
    }
}

/// Bytes that are no frame end a handshake with 1008, text that is not UTF-8 with 1007.
#[tokio::test]
async fn garbage_first_is_refused() {
    let gateway = Gateway::start().await;
    for garbage in [Message::text("{"), Message::text(""), Message::binary(vec![0xc1]), Message::binary(vec![])] {
        let mut client = gateway.open(if garbage.is_text() { Encoding::Json } else { Encoding::Msgpack }).await;
        client.message().await;
        client.send_message(garbage.clone()).await;
        let answer = client.frame().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(""), &json!("INVALID_REQUEST")), "{garbage:?}");
        assert_eq!(client.receive().await, Received::Closed(Some(1008)), "{garbage:?}");
    }
    let mut client = gateway.open(Encoding::Json).await;
    client.frame().await;
    client.send_bytes(&masked(0x81, b"{\"type\":\"\xff\"}")).await;
    assert_eq!(client.closed().await, Some(1007));
}

/// One masked WebSocket frame of under 64 KiB, with a mask of zeros.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).expect("under 64 KiB").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Before authentication a message has at most 64 KiB: exactly that passes, one byte more is 1009.
#[tokio::test]
async fn a_stranger_may_send_64_kib() {
    let gateway = Gateway::start().await;
    let params = gateway.params(json!({}));
    let frame = json!({ "type": "req", "id": "1", "method": "connect", "params": params }).to_string();
    for (size, passes) in [(64 * 1024, true), (64 * 1024 + 1, false), (1024 * 1024, false)] {
        let mut client = gateway.open(Encoding::Json).await;
        client.frame().await;
        // White space before the value is JSON too.
        let padded = format!("{}{frame}", " ".repeat(size - frame.len()));
        client.try_send(Message::text(padded)).await;
        match passes {
            true => assert_eq!(client.frame().await["ok"], true),
            false => assert_eq!(client.receive().await, Received::Closed(Some(1009)), "{size}"),
        }
    }
}

/// Who says nothing is gone after 10 s, and not before 9.
#[tokio::test]
async fn a_silent_stranger_is_closed_after_10_s() {
    let gateway = Gateway::start().await;
    let mut client = gateway.open(Encoding::Json).await;
    client.frame().await;
    let began = Instant::now();
    assert_eq!(client.receive().await, Received::Closed(Some(1008)));
    assert!(began.elapsed() >= Duration::from_secs(9), "after {:?}", began.elapsed());
}

/// Granted is what was asked for of what the token holds, and nothing that nobody knows.
#[tokio::test]
async fn scopes_are_granted_as_asked() {
    let gateway = Gateway::start().await;
    for (asked, granted) in [
        (json!(["operator.read"]), json!(["operator.read"])),
        (json!(["operator.write", "made.up"]), json!(["operator.write"])),
        (json!(["made.up"]), json!([])),
        (json!(["operator.pairing", "operator.read"]), json!(["operator.read", "operator.pairing"])),
    ] {
        let mut client = gateway.connect_as(Encoding::Msgpack, json!({ "scopes": asked })).await;
        assert_eq!(client.hello["auth"]["scopes"], granted, "{asked}");
        let reads = granted.as_array().expect("a list").iter().any(|s| s == "operator.read" || s == "operator.write");
        assert_eq!(client.call("status", json!({})).await["ok"], reads, "{asked}");
        assert_eq!(client.hello["snapshot"]["presence"] == json!([]), !reads, "the snapshot follows the scopes");
        client.ok("health", json!({})).await;
    }
}

/// Requests that follow `connect` without waiting for its answer are answered after it.
#[tokio::test]
async fn requests_may_follow_connect_at_once() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.open(encoding).await;
        let params = gateway.params(json!({}));
        client.send(&json!({ "type": "req", "id": "c", "method": "connect", "params": params })).await;
        for id in ["1", "2", "3"] {
            client.send(&json!({ "type": "req", "id": id, "method": "agents.list" })).await;
        }
        client.frame().await;
        let mut ids = Vec::new();
        while ids.len() < 4 {
            let frame = client.frame().await;
            if frame["type"] == "res" {
                assert_eq!(frame["ok"], true, "{frame}");
                ids.push(frame["id"].clone());
            }
        }
        assert_eq!(ids.remove(0), "c", "nothing comes before hello-ok");
        ids.sort_by_key(ToString::to_string);
        assert_eq!(json!(ids), json!(["1", "2", "3"]));
    }
}

/// A second `connect` is an error, and the connection stays.
#[tokio::test]
async fn a_second_connect_is_refused_and_the_connection_stays() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        let error = client.err("connect", gateway.params(json!({}))).await;
        assert_eq!(error["code"], "INVALID_REQUEST");
        client.ok("health", json!({})).await;
    }
}

/// A node gets no operator scope, and may call no operator method.
#[tokio::test]
async fn a_node_may_not_act_as_an_operator() {
    let gateway = Gateway::start().await;
    let members = json!({ "role": "node", "scopes": ["operator.admin"] });
    let mut client = gateway.connect_as(Encoding::Msgpack, members).await;
    assert_eq!(client.hello["auth"], json!({ "role": "node", "scopes": [] }));
    // What a node may call is tried in `approvals`.
    let for_nodes = [Scope::Node, Scope::WriteOrNode, Scope::ApprovalsOrRequester];
    for (_, spec) in methods::built().filter(|(_, spec)| !for_nodes.contains(&spec.scope)) {
        let error = client.err(spec.name, json!({})).await;
        assert_eq!(error["code"], "FORBIDDEN", "{}: {error}", spec.name);
    }
}

/// What is in the schema and not built says so, with the member's name.
#[tokio::test]
async fn a_device_key_is_said_to_be_missing() {
    let gateway = Gateway::start().await;
    let device = json!({ "id": "d", "publicKey": "k", "signature": "s", "signedAt": 1, "nonce": "n" });
    for (members, member) in
        [(json!({ "device": device }), "device"), (json!({ "auth": { "deviceToken": "x" } }), "auth.deviceToken")]
    {
        let mut client = gateway.open(Encoding::Json).await;
        let answer = client.handshake(gateway.params(members)).await;
        assert_eq!(answer["error"]["code"], "UNAVAILABLE", "{answer}");
        assert_eq!(answer["error"]["details"], json!({ "member": member }));
        assert_eq!(answer["error"]["retryable"], false);
    }
}

/// The 33rd stranger pushes out the oldest, so that a flood shuts nobody out; who is known is never pushed out.
#[tokio::test]
async fn the_33rd_stranger_drops_the_oldest() {
    let gateway = Gateway::start().await;
    let mut known = gateway.connect(Encoding::Msgpack).await;
    let mut strangers = Vec::new();
    for _ in 0..32 {
        let mut client = gateway.open(Encoding::Json).await;
        client.frame().await;
        strangers.push(client);
    }
    let mut newest = gateway.open(Encoding::Json).await;
    assert_eq!(newest.handshake(gateway.params(json!({}))).await["ok"], true);
    let mut rest = strangers.split_off(1);
    let oldest = &mut strangers[0];
    let gone = within(DEADLINE, "end of the oldest stranger", oldest.closed()).await;
    assert!(matches!(gone, None | Some(1008)), "{gone:?}");
    // The second oldest is still welcome.
    let params = gateway.params(json!({}));
    let connect = json!({ "type": "req", "id": "1", "method": "connect", "params": params });
    rest[0].send_message(encode(Encoding::Json, &connect)).await;
    assert_eq!(rest[0].frame().await["ok"], true);
    known.ok("health", json!({})).await;
}

/// Neither the token nor a part of it stands in a log, on standard error, or in anything that a client can read.
#[tokio::test]
async fn the_token_is_written_nowhere() {
    let gateway = Gateway::with_config("models: {detect: false}\nlogging: {level: trace}\n").await;
    let wrong = "deadbeefdeadbeef-a-wrong-token-that-somebody-typed";
    let mut seen = String::new();
    for token in [wrong, &gateway.token] {
        let mut client = gateway.open(Encoding::Json).await;
        let params = gateway.params(json!({ "auth": { "token": token } }));
        seen.push_str(&client.handshake(params).await.to_string());
    }
    let mut client = gateway.connect(Encoding::Json).await;
    for method in ["logs.tail", "diagnostics.list", "status", "config.get", "health", "system-presence"] {
        seen.push_str(&client.ok(method, json!({})).await.to_string());
    }
    for event in client.events_so_far().await {
        seen.push_str(&event.to_string());
    }
    seen.push_str(&gateway.all_output());
    assert!(seen.contains("auth.refused"), "the refused connection is in the log");
    for part in [&gateway.token[..12], &gateway.token[26..38], &gateway.token[52..], &wrong[..16], "that-somebody"] {
        assert!(!seen.contains(part), "{part:?} leaked");
    }
}
