//! The client against a gateway that misbehaves on demand.

#![expect(clippy::disallowed_methods, reason = "a test has no supervisor")]

mod fake;

use std::time::Duration;

use fake::{Fake, Peer, TOKEN};
use serde_json::json;
use simpleclaw_client::{CallError, Client, ClientEvent, ConnectError, Events, Options, Token};
use simpleclaw_protocol::events::ChatState;
use simpleclaw_protocol::methods::events::{EventsSubscribe, EventsSubscribeParams, Selection};
use simpleclaw_protocol::methods::{NoParams, gateway::Health, gateway::HealthParams, gateway::Status};
use simpleclaw_protocol::{Encoding, ErrorCode};
use tokio_tungstenite::tungstenite::Message;

fn options(fake: &Fake) -> Options {
    Options::new(&fake.url, Token::new(format!("{TOKEN}\n")))
}

/// A connected client and the gateway's end of it.
async fn pair(fake: &Fake, options: Options) -> (Client, Peer) {
    let (client, peer) = tokio::join!(Client::connect(options), fake.greet());
    (client.expect("connects"), peer)
}

/// The next entry, within a time that only a hang exceeds.
async fn next(events: &mut Events) -> ClientEvent {
    within(events.next()).await.expect("the stream goes on")
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("no hang")
}

#[tokio::test]
async fn a_call_is_answered_in_both_encodings() {
    for encoding in Encoding::ALL {
        let fake = Fake::start().await;
        let (client, mut peer) = pair(&fake, Options { encoding, ..options(&fake) }).await;
        assert_eq!(client.hello().server.version, "9.9.9");
        let gateway = async {
            let request = peer.request().await.expect("a request");
            assert_eq!((request.method.as_str(), request.params), ("health", json!({ "refresh": true })));
            peer.answer(&request.id, fake::health()).await;
        };
        let params = HealthParams { refresh: Some(true) };
        let (health, ()) = tokio::join!(client.call::<Health>(&params), gateway);
        assert_eq!(health.expect("a snapshot").agents, ["main"]);
    }
}

#[tokio::test]
async fn an_error_answer_and_an_odd_answer_are_typed() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let gateway = async {
        let request = peer.request().await.expect("a request");
        peer.refuse(&request.id, "FORBIDDEN", "needs operator.read").await;
        let request = peer.request().await.expect("a request");
        peer.answer(&request.id, json!({ "pid": "many" })).await;
    };
    let calls = async {
        match client.call::<Status>(&NoParams {}).await {
            Err(CallError::Refused(error)) => assert_eq!(error.code, ErrorCode::Forbidden),
            other => panic!("{other:?}"),
        }
        let odd = client.call::<Status>(&NoParams {}).await;
        assert!(matches!(odd, Err(CallError::Shape(_))), "{odd:?}");
    };
    tokio::join!(calls, gateway);
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_a_revoked_one_stops_the_client() {
    let fake = Fake::start().await;
    let refusing = async {
        let mut peer = fake.accept().await;
        peer.connect().await;
        peer.refuse("connect", "UNAUTHENTICATED", "wrong token").await;
        peer.close(1008, "unauthenticated").await;
    };
    let (refused, ()) = tokio::join!(Client::connect(options(&fake)), refusing);
    match refused {
        Err(error @ ConnectError::Refused(_)) => assert!(error.is_final()),
        other => panic!("{other:?}"),
    }

    let (client, peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    peer.close(4001, "revoked").await;
    match next(&mut events).await {
        ClientEvent::Stopped(error) => assert_eq!(error.close_code(), Some(4001)),
        other => panic!("{other:?}"),
    }
    assert!(within(events.next()).await.is_none());
    let call = client.call::<Status>(&NoParams {}).await;
    assert!(matches!(call, Err(CallError::Stopped)), "{call:?}");
}

#[tokio::test]
async fn a_cut_connection_comes_back_with_its_subscription() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    let wanted = EventsSubscribeParams { sessions: None, events: Some(Selection::Only(vec!["chat.event".into()])) };
    let gateway = async {
        let request = peer.request().await.expect("a request");
        peer.answer(&request.id, json!({})).await;
        // The second call stays in flight when the connection is cut.
        peer.request().await.expect("a request");
        drop(peer);
    };
    let calls = async {
        client.call::<EventsSubscribe>(&wanted).await.expect("subscribes");
        let lost = client.call::<Status>(&NoParams {}).await;
        assert!(matches!(lost, Err(CallError::Disconnected)), "{lost:?}");
    };
    tokio::join!(calls, gateway);
    assert!(matches!(next(&mut events).await, ClientEvent::Disconnected { .. }));

    let mut peer = within(fake.greet()).await;
    let request = within(peer.request()).await.expect("the subscription again");
    assert_eq!(request.method, "events.subscribe");
    assert_eq!(request.params, json!({ "events": ["chat.event"] }));
    peer.answer(&request.id, json!({})).await;
    peer.event(
        "chat.event",
        json!({ "runId": "r", "sessionKey": "agent:main:main", "state": "delta", "index": 1, "delta": "hi" }),
    )
    .await;
    assert!(matches!(next(&mut events).await, ClientEvent::Connected(_)));
    match next(&mut events).await {
        ClientEvent::Event(event) => {
            assert_eq!(event.session_key(), Some("agent:main:main"));
            let chat = event.chat().expect("a chat event");
            assert_eq!((chat.state, chat.delta.as_deref()), (ChatState::Delta, Some("hi")));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_gap_is_reported_before_the_event_behind_it() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    peer.event("tick", json!({ "ts": 1 })).await;
    peer.skip(2);
    peer.event("tick", json!({ "ts": 2 })).await;
    peer.event("tick", json!({ "ts": 3 })).await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(match next(&mut events).await {
            ClientEvent::Event(event) => (event.seq, event.payload["ts"].clone()),
            ClientEvent::Gap { expected, got } => (expected, json!({ "got": got })),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, [(1, json!(1)), (2, json!({ "got": 4 })), (4, json!(2)), (5, json!(3))]);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_lost() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, Options { event_buffer: 4, ..options(&fake) }).await;
    let mut events = client.events();
    let mut watcher = client.events();
    for ts in 1..=10 {
        peer.event("tick", json!({ "ts": ts })).await;
        next(&mut watcher).await;
    }
    assert!(matches!(next(&mut events).await, ClientEvent::Lagged(6)));
    assert!(matches!(next(&mut events).await, ClientEvent::Event(event) if event.seq == 7));
}

#[tokio::test]
async fn a_restart_is_followed_at_once() {
    let fake = Fake::start().await;
    let (client, peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    peer.close(1012, "restart").await;
    match next(&mut events).await {
        ClientEvent::Disconnected { error, retry_in } => {
            assert_eq!(error.close_code(), Some(1012));
            assert!(retry_in <= Duration::from_millis(250), "{retry_in:?}");
        }
        other => panic!("{other:?}"),
    }
    let _peer = within(fake.greet()).await;
    assert!(matches!(next(&mut events).await, ClientEvent::Connected(_)));
    assert!(client.is_connected());
}

#[tokio::test]
async fn a_thousand_calls_at_once_find_their_answers_in_any_order() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    tokio::spawn(async move {
        let (mut served, mut held) = (0, Vec::new());
        while served < 1000 {
            held.push(peer.request().await.expect("a request"));
            assert!(held.len() <= 256, "more in flight than the gateway takes");
            // The newest first, as soon as nothing more can come.
            if held.len() == 256 || served + held.len() == 1000 {
                for request in held.drain(..).rev() {
                    served += 1;
                    peer.answer(&request.id, request.params).await;
                }
            }
        }
    });
    let calls = (0..1000).map(|n| {
        let client = client.clone();
        tokio::spawn(async move {
            let answer = client.call_raw("echo.plugin", json!({ "n": n })).await;
            assert_eq!(answer, Ok(json!({ "n": n })));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        within(call).await.expect("the right answer");
    }
}

#[tokio::test]
async fn what_must_not_be_sent_never_reaches_the_wire() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let invalid = client.call_raw("chat.history", json!({ "sessionKey": "main", "limit": 0 })).await;
    match invalid {
        Err(CallError::Invalid(error)) => {
            assert_eq!(error.code, ErrorCode::InvalidRequest);
            assert_eq!(error.details.unwrap_or_default()["issues"][0]["path"], "/limit");
        }
        other => panic!("{other:?}"),
    }
    let no_object = client.call_raw("chat.history", json!([])).await;
    assert!(matches!(no_object, Err(CallError::Invalid(_))), "{no_object:?}");
    let large = json!({ "text": "x".repeat(simpleclaw_client::MAX_OUTGOING) });
    match client.call_raw("echo.plugin", large).await {
        Err(CallError::TooLarge { size, limit }) => {
            assert_eq!(limit, simpleclaw_client::MAX_OUTGOING);
            assert!(size > limit);
        }
        other => panic!("{other:?}"),
    }
    client.close().await;
    assert_eq!(peer.request().await, None);
}

#[tokio::test]
async fn a_gateway_that_never_answers_is_timed_out_everywhere() {
    let fake = Fake::start().await;
    let short = Duration::from_millis(50);
    let silent = async {
        let mut peer = fake.accept().await;
        peer.connect().await;
        peer
    };
    let impatient = Options { handshake_timeout: short, ..options(&fake) };
    let (client, _peer) = tokio::join!(Client::connect(impatient), silent);
    assert_eq!(client.err(), Some(ConnectError::Timeout(short)));

    let (client, mut peer) = pair(&fake, Options { silence_timeout: short * 10, ..options(&fake) }).await;
    let mut events = client.events();
    let call = client.with_timeout(short).call::<Status>(&NoParams {}).await;
    assert!(matches!(call, Err(CallError::Timeout(limit)) if limit == short), "{call:?}");
    // A late answer finds nobody and hurts nobody; then silence ends the connection.
    let request = peer.request().await.expect("a request");
    peer.answer(&request.id, json!({})).await;
    match next(&mut events).await {
        ClientEvent::Disconnected { error, .. } => {
            assert_eq!(*error, ConnectError::Timeout(short * 10))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn garbage_ends_the_connection_and_a_new_one_is_opened() {
    let garbage = [Message::binary(vec![0xc1, 0xff]), Message::text("{\"type\":\"tick\"}")];
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    for message in garbage {
        peer.raw(message).await;
        match next(&mut events).await {
            ClientEvent::Disconnected { error, .. } => {
                assert!(matches!(*error, ConnectError::Protocol(_)), "{error:?}");
            }
            other => panic!("{other:?}"),
        }
        peer = within(fake.greet()).await;
        assert!(matches!(next(&mut events).await, ClientEvent::Connected(_)));
    }
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_connection() {
    let fake = Fake::start().await;
    let (client, mut peer) = pair(&fake, options(&fake)).await;
    let mut events = client.events();
    let other = client.clone();
    drop(client);
    assert!(other.is_connected());
    drop(other);
    assert_eq!(within(peer.request()).await, None);
    assert!(within(events.next()).await.is_none());
}

#[tokio::test]
async fn addresses_without_a_gateway_are_told_apart() {
    let connect = |url: String| Client::connect(Options::new(url, Token::default()));
    let free = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound")
    };
    let nobody = connect(format!("ws://{free}")).await.err();
    assert!(matches!(nobody, Some(ConnectError::Unreachable(_))), "{nobody:?}");
    for url in ["not a url", "http://127.0.0.1:1", "wss://127.0.0.1:1"] {
        let error = connect(url.into()).await.err();
        assert!(error.as_ref().is_some_and(ConnectError::is_final), "{url}: {error:?}");
    }
}

#[test]
fn the_token_is_never_shown() {
    let options = Options::new("ws://x", Token::new("hunter2"));
    assert!(!format!("{options:?}").contains("hunter2"));
}
