//! Who sees which events: scopes, `events.subscribe`, presence (protocol.md 4, 5, 8).

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway};

use crate::chat::send;

fn names(events: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// A subscription by name and by session shows these and no others, without a gap in `seq`, until it is widened again.
#[tokio::test]
async fn a_subscription_filters() {
    let gateway = Gateway::start().await;
    let mut sender = gateway.connect(Encoding::Json).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let run = async |sender: &mut simpleclaw_tests::RawClient, key: &str, id: &str| {
        sender.ok("chat.send", send(key, "hi", id)).await;
        sender.run_to_end(id).await;
        sender.event_named("session.changed").await;
    };
    let subscription = json!({ "sessions": ["agent:main:a"], "events": ["session.message", "tick"] });
    assert_eq!(client.ok("events.subscribe", subscription).await, json!({}));
    client.events_so_far().await;
    run(&mut sender, "agent:main:a", "r1").await;
    run(&mut sender, "agent:main:b", "r2").await;
    let seen = client.events_so_far().await;
    assert_eq!(names(&seen), ["session.message"]);
    assert!(seen.iter().all(|event| event["payload"]["sessionKey"] == "agent:main:a"), "{seen:?}");
    assert_eq!(seen.len(), 2);

    client.ok("events.subscribe", json!({ "sessions": "all", "events": ["chat.event"] })).await;
    run(&mut sender, "agent:main:b", "r3").await;
    let seen = client.events_so_far().await;
    assert_eq!(names(&seen), ["chat.event"]);

    client.ok("events.subscribe", json!({})).await;
    run(&mut sender, "agent:main:b", "r4").await;
    let seen = client.events_so_far().await;
    for name in ["agent.event", "chat.event", "session.changed", "session.message"] {
        assert!(names(&seen).contains(&name), "{name} is missing in {:?}", names(&seen));
    }
}

/// An event that does not exist is an error with its place; a planned one may be asked for.
#[tokio::test]
async fn subscriptions_are_checked() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    for (params, place) in [
        (json!({ "events": ["tick", "no.such"] }), "/events/1"),
        (json!({ "sessions": ["main", "Agent:X:y"] }), "/sessions/1"),
        (json!({ "sessions": "some" }), "/sessions"),
    ] {
        let error = client.err("events.subscribe", params.clone()).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{params}");
        assert_eq!(error["details"]["issues"][0]["path"], place, "{params}: {error}");
    }
    client.ok("events.subscribe", json!({ "events": ["exec.approval.requested", "cron.event"] })).await;
}

/// `main` in a subscription is the main session of the default agent, whatever its name.
#[tokio::test]
async fn main_is_the_default_agents() {
    let config = "models: {detect: false}\nagents: {default: claw, entries: {claw: {name: Claw}}}\n";
    let gateway = Gateway::with_config(config).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    assert_eq!(client.hello["snapshot"]["sessionDefaults"]["mainSessionKey"], "agent:claw:main");
    client.ok("events.subscribe", json!({ "sessions": ["main"], "events": ["session.message"] })).await;
    client.events_so_far().await;
    assert_eq!(client.ok("chat.send", send("main", "hi", "r")).await["sessionKey"], "agent:claw:main");
    assert_eq!(client.event_named("session.message").await["payload"]["sessionKey"], "agent:claw:main");
}

/// Without a scope there are only the events that need none.
#[tokio::test]
async fn events_follow_the_scopes() {
    let gateway = Gateway::start().await;
    let mut blind = gateway.connect_as(Encoding::Json, json!({ "scopes": ["operator.pairing"] })).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "hi", "r")).await;
    client.run_to_end("r").await;
    client.ok("gateway.pause", json!({})).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last: &Value| last["type"] != "gateway.paused") {
        seen.push(blind.event().await);
    }
    let others: Vec<_> =
        names(&seen).into_iter().filter(|name| !["health", "gateway.paused", "tick"].contains(name)).collect();
    assert_eq!(others, Vec::<&str>::new());
}

/// Coming and going is told to the others and not to oneself; versions only grow.
#[tokio::test]
async fn presence_is_told_to_the_others() {
    let gateway = Gateway::start().await;
    let mut first = gateway.connect(Encoding::Json).await;
    first.ok("events.subscribe", json!({ "events": ["presence"] })).await;
    let own = first.events_so_far().await;
    assert_eq!(own, Vec::<Value>::new(), "no event for oneself");
    let members = json!({ "client": {
        "id": "other", "version": "2.0", "platform": "linux", "mode": "ui", "displayName": "Desk", "instanceId": "i-2",
    } });
    let second = gateway.connect_as(Encoding::Msgpack, members).await;
    let came = first.event_named("presence").await["payload"].clone();
    let ids: Vec<_> =
        came["presence"].as_array().expect("a list").iter().map(|entry| entry["instanceId"].clone()).collect();
    assert!(ids.contains(&json!("i-2")), "{ids:?}");
    let entry =
        came["presence"].as_array().expect("a list").iter().find(|entry| entry["instanceId"] == "i-2").expect("it");
    for (member, value) in [("clientId", "other"), ("mode", "ui"), ("displayName", "Desk"), ("role", "operator")] {
        assert_eq!(entry[member], value, "{member}");
    }
    assert_eq!(entry["connId"], second.hello["server"]["connId"]);
    let now = first.ok("system-presence", json!({})).await;
    assert_eq!(now["presence"], came["presence"]);
    second.close().await;
    let left = first.event_named("presence").await["payload"].clone();
    assert!(!left["presence"].to_string().contains("i-2"), "{left}");
    let version = |payload: &Value| payload["stateVersion"]["presence"].as_u64().expect("a version");
    assert!(version(&left) > version(&came));
}

/// One instance with two connections is one entry, and it is there until the last of them is gone.
#[tokio::test]
async fn an_instance_is_present_once() {
    let gateway = Gateway::start().await;
    let mut watcher = gateway.connect(Encoding::Json).await;
    let members =
        json!({ "client": { "id": "x", "version": "1", "platform": "p", "mode": "m", "instanceId": "twin" } });
    let one = gateway.connect_as(Encoding::Msgpack, members.clone()).await;
    let two = gateway.connect_as(Encoding::Msgpack, members).await;
    let twins = |presence: &Value| {
        presence["presence"].as_array().expect("a list").iter().filter(|entry| entry["instanceId"] == "twin").count()
    };
    assert_eq!(twins(&watcher.ok("system-presence", json!({})).await), 1);
    one.close().await;
    while watcher.ok("status", json!({})).await["connections"] != 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(twins(&watcher.ok("system-presence", json!({})).await), 1);
    two.close().await;
    while watcher.ok("status", json!({})).await["connections"] != 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(twins(&watcher.ok("system-presence", json!({})).await), 0);
}

/// A tick comes about every 15 s to whoever is connected.
#[tokio::test]
async fn ticks_come() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let tick = client.event_named("tick").await;
    assert!(tick["payload"]["ts"].is_i64(), "{tick}");
}
