//! A configuration that changes under a gateway at work: only what changed is touched, and who is connected stays.

use std::net::TcpListener;

use futures_util::future::join_all;
use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Model, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{send, text_of};

const CLIENTS: usize = 50;

/// Free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// At the port that the configuration says, which the command line does not.
async fn started(config: &str) -> Gateway {
    Gateway::try_in_home(&Home::with_config(config), &[]).await.unwrap_or_else(|failed| panic!("{failed:?}"))
}

fn is_open(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

async fn server(client: &mut RawClient) -> Value {
    client.ok("health", json!({ "refresh": true })).await["subsystems"]["server"].clone()
}

/// A provider is added, the port moves and an agent changes, while fifty clients follow an answer: each gets all of it, in
/// order, on the connection that it has.
#[tokio::test]
async fn fifty_clients_do_not_notice() {
    let model = Model::start().await;
    let (old, new) = (free_port(), free_port());
    let gateway = started(&model.config(&format!("gateway: {{port: {old}}}  # mine"))).await;
    assert_eq!(gateway.port, old);
    let gate = Gate::new();
    let words = |from: usize| (from..from + 100).map(|n| Step::Delta(format!("{n} "))).collect::<Vec<_>>();
    model.script([Answer::Stream([words(0), vec![gate.step()], words(100), vec![Step::Done]].concat())]);

    // One after the other: fifty strangers at once are more than a gateway lets in.
    let mut clients = Vec::new();
    for encoding in [Encoding::Json, Encoding::Msgpack].into_iter().cycle().take(CLIENTS) {
        clients.push(gateway.connect(encoding).await);
    }
    clients[0].ok("chat.send", send("main", "count", "run")).await;
    let begun = join_all(clients.iter_mut().map(async |client| {
        let mut events = Vec::new();
        while !events.iter().any(|event: &Value| event["delta"].as_str().is_some_and(|delta| delta.contains("99 "))) {
            events.push(
                client
                    .event_where("the first half", |event| event["runId"] == "run" && event["state"].is_string())
                    .await,
            );
        }
        events
    }))
    .await;

    let mut operator = gateway.connect(Encoding::Json).await;
    let patch = json!({
        "gateway": { "port": new },
        "models": { "providers": { "second": { "api": "openai", "baseUrl": "http://127.0.0.1:9/v1" } } },
        "agents": { "entries": { "main": {}, "helper": { "name": "Helper" } } },
    });
    let changed = operator.ok("config.patch", json!({ "patch": patch })).await;
    assert_eq!(changed["applied"], "live", "{changed}");
    operator.event_where("the move", |event| event["payload"]["code"] == "server.moved").await;
    assert!(!is_open(old), "the old port is closed");
    gateway.connect_at(new).await.ok("health", json!({})).await;
    let lock = std::fs::read_to_string(gateway.home.path().join("gateway.lock")).expect("the lock file");
    assert!(lock.contains(&format!("ws://127.0.0.1:{new}")), "{lock}");
    assert_eq!(server(&mut operator).await["state"], "ok");

    gate.open();
    let expected: String = (0..200).map(|n| format!("{n} ")).collect();
    let ends = join_all(clients.iter_mut().zip(begun).map(async |(client, mut events)| {
        events.extend(client.run_to_end("run").await);
        (text_of(&events), events.last().expect("an end")["state"].clone())
    }))
    .await;
    for (text, state) in ends {
        assert_eq!((text.as_str(), &state), (expected.as_str(), &json!("final")));
    }
    assert_eq!(model.calls().len(), 1);
    let agents = operator.ok("agents.list", json!({})).await;
    assert_eq!(agents["agents"].as_array().map(Vec::len), Some(2));
}

/// A provider that is added leaves the one that cools down in its cool-down; one that is changed begins anew.
#[tokio::test]
async fn who_cools_down_goes_on_to() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let headers = vec![("retry-after".into(), "600".into())];
    model.script([Answer::Whole { status: 429, headers, body: "slow".into() }]);
    client.ok("chat.send", send("main", "hi", "run")).await;
    assert_eq!(client.run_to_end("run").await.pop().expect("an end")["state"], "error");
    let left = async |client: &mut RawClient| {
        let models = client.ok("models.list", json!({})).await["models"].clone();
        let row = |id: &str| models.as_array().expect("a list").iter().find(|row| row["id"] == id).cloned();
        (row("fake/scripted").expect("a row")["cooldownMs"].as_u64(), row("second/m").is_some())
    };
    let is_long = |left: Option<u64>| left.is_some_and(|left| (400_000..=600_000).contains(&left));
    let before = left(&mut client).await;
    assert!(is_long(before.0) && !before.1, "{before:?}");

    let providers = async |client: &mut RawClient, patch: Value| {
        let patch = json!({ "patch": { "models": { "providers": patch } } });
        assert_eq!(client.ok("config.patch", patch).await["applied"], "live");
    };
    let second = json!({ "api": "openai", "baseUrl": "http://127.0.0.1:9/v1", "models": [{ "id": "m" }] });
    providers(&mut client, json!({ "second": second })).await;
    let after = left(&mut client).await;
    assert!(is_long(after.0) && after.1, "{after:?}");

    providers(&mut client, json!({ "fake": { "baseUrl": "http://127.0.0.1:9/v1" } })).await;
    assert_eq!(left(&mut client).await, (None, true));
}

/// A port that somebody else has is not taken, and the one there is goes on; so is another address of the same port.
#[tokio::test]
async fn what_cannot_be_had_leaves_what_there_is() {
    let port = free_port();
    let gateway = started(&format!("models: {{detect: false}}\ngateway: {{port: {port}}}\n")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let theirs = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = theirs.local_addr().expect("an address").port();
    for (patch, words) in [
        (json!({ "port": taken }), format!("127.0.0.1:{taken} is taken")),
        (json!({ "port": port, "bind": "192.0.2.1", "behindTlsProxy": true }), "192.0.2.1".to_owned()),
    ] {
        client.ok("config.patch", json!({ "patch": { "gateway": patch } })).await;
        let told = client.event_where("why not", |event| event["payload"]["code"] == "server.not_moved").await;
        let told = told["payload"]["message"].as_str().expect("words").to_owned();
        assert!(told.contains(&words) && told.ends_with("goes on"), "{told}");
        assert!(is_open(port), "{patch}");
        let health = server(&mut client).await;
        assert_eq!(health["state"], "degraded", "{health}");
    }
    // Back to where it is: nothing to do, and all is well.
    client.ok("config.patch", json!({ "patch": { "gateway": { "bind": "127.0.0.1" } } })).await;
    client.event_where("the move", |event| event["payload"]["code"] == "server.moved").await;
    assert!(is_open(port));
    assert_eq!(server(&mut client).await["state"], "ok");
}
