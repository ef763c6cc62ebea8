//! Changing the configuration of a running gateway: what applies, who may, what is kept, what is never shown.

use serde_json::{Value, json};
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

const START: &str = "# mine\nmodels: {detect: false}  # quiet\n";

fn text(gateway: &Gateway) -> String {
    std::fs::read_to_string(gateway.home.path().join("config.yaml")).unwrap_or_default()
}

fn set(path: &str, value: Value) -> Value {
    json!({ "path": path, "value": value })
}

async fn changed(client: &mut RawClient) -> Value {
    client.event_named("config.changed").await["payload"]["hash"].clone()
}

/// A new agent is there at once: in the list, with its main session, and it answers. Everyone hears of the change.
#[tokio::test]
async fn a_new_agent_answers_at_once() {
    let gateway = Gateway::with_config(START).await;
    let (mut one, mut other) = (gateway.connect(Encoding::Json).await, gateway.connect(Encoding::Msgpack).await);
    let result = one.ok("config.set", set("agents.entries.main.name", json!("Claw"))).await;
    assert_eq!(other.event_named("config.changed").await["payload"]["hash"], result["hash"]);
    let result = one.ok("config.set", set("agents.entries.helper", json!({ "name": "Helper" }))).await;
    assert_eq!(result["applied"], "live");
    assert_eq!(changed(&mut other).await, result["hash"]);
    let agents = other.ok("agents.list", json!({})).await;
    let ids: Vec<_> = agents["agents"].as_array().expect("a list").iter().map(|agent| agent["id"].clone()).collect();
    assert_eq!(ids, ["helper", "main"]);
    let sessions = other.ok("sessions.list", json!({ "agentId": "helper" })).await;
    assert_eq!(sessions["sessions"][0]["key"], "agent:helper:main");
    let params = json!({ "sessionKey": "agent:helper:main", "message": "hi", "idempotencyKey": "r" });
    other.ok("chat.send", params).await;
    other.run_to_end("r").await;
    assert_eq!(
        text(&gateway),
        format!("{START}agents:\n  entries:\n    main:\n      name: Claw\n    helper:\n      name: Helper\n")
    );
}

/// A provider that is added answers the next message, and one that is removed does not; nothing restarts.
#[tokio::test]
async fn providers_come_and_go_live() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(START).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let send = |key: &str| json!({ "sessionKey": "main", "message": "hi", "idempotencyKey": key });
    client.ok("chat.send", send("guide")).await;
    client.run_to_end("guide").await;
    assert_eq!(model.calls().len(), 0);
    let provider = json!({
        "api": "openai", "baseUrl": format!("http://127.0.0.1:{}/v1", model.port),
        "apiKey": simpleclaw_tests::fakes::KEY, "models": [{ "id": simpleclaw_tests::fakes::MODEL }],
    });
    let patch = json!({ "patch": { "models": { "providers": { "fake": provider } } } });
    let result = client.ok("config.patch", patch).await;
    assert_eq!(result["applied"], "live");
    client.ok("chat.send", send("real")).await;
    client.run_to_end("real").await;
    assert_eq!(model.calls().len(), 1);
    client.ok("config.set", set("models.providers.fake", Value::Null)).await;
    client.ok("chat.send", send("guide-again")).await;
    client.run_to_end("guide-again").await;
    assert_eq!(model.calls().len(), 1);
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A key that only a start reads says so in the answer, the schema and a diagnostic; the log's level is live.
#[tokio::test]
async fn what_waits_for_a_restart_says_so() {
    let gateway = Gateway::with_config(START).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let result = client.ok("config.set", set("/gateway/mode", json!("shared"))).await;
    assert_eq!((&result["applied"], &result["restartPaths"]), (&json!("restart"), &json!(["/gateway/mode"])));
    let event = client.event_where("a diagnostic", |event| event["payload"]["code"] == "config.restart_needed").await;
    assert_eq!(event["payload"]["fields"]["keys"], "/gateway/mode");
    let schema = client.ok("config.schema", json!({ "path": "gateway.mode" })).await;
    assert_eq!(schema["schema"]["x-reload"], "restart");
    let result = client.ok("config.set", set("logging.level", json!("debug"))).await;
    assert_eq!(result["applied"], "live", "the proxy has waited before");
    client.ok("config.get", json!({})).await;
}

/// Origins are let in as soon as the configuration names them, and no longer than it does.
#[tokio::test]
async fn origins_are_live() {
    let gateway = Gateway::with_config(START).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let from = |origin: &str| simpleclaw_tests::raw::Opening {
        headers: vec![("Origin".to_owned(), origin.to_owned())],
        ..simpleclaw_tests::raw::Opening::default()
    };
    let origin = "https://chat.example";
    assert!(RawClient::open(gateway.port, Encoding::Json, &from(origin)).await.is_err());
    client.ok("config.set", set("gateway.allowedOrigins", json!([origin]))).await;
    assert!(RawClient::open(gateway.port, Encoding::Json, &from(origin)).await.is_ok());
    client.ok("config.set", set("gateway.allowedOrigins", Value::Null)).await;
    assert!(RawClient::open(gateway.port, Encoding::Json, &from(origin)).await.is_err());
}

/// Two clients that change different keys at once lose nothing; two that start from the same text: one wins.
#[tokio::test]
async fn two_clients_at_once() {
    let gateway = Gateway::with_config(START).await;
    let (mut one, mut two) = (gateway.connect(Encoding::Json).await, gateway.connect(Encoding::Msgpack).await);
    (one.checks_events, two.checks_events) = (false, false);
    for n in 1..=15 {
        let (a, b) = tokio::join!(
            one.ok("config.set", set("runs.idleSeconds", json!(n))),
            two.ok("config.set", set(&format!("channels.c{n}"), json!({ "n": n }))),
        );
        assert!(a["hash"].is_string() && b["hash"].is_string());
    }
    let value = one.ok("config.get", json!({})).await["value"].clone();
    assert_eq!(value["runs"]["idleSeconds"], 15);
    assert_eq!(value["channels"].as_object().map(serde_json::Map::len), Some(15));
    for n in 20..30 {
        let hash = one.ok("config.get", json!({})).await["hash"].clone();
        let with = |value: i32| json!({ "path": "runs.idleSeconds", "value": value, "baseHash": hash });
        let (a, b) = tokio::join!(one.call("config.set", with(n)), two.call("config.set", with(n + 100)));
        assert_ne!(a["ok"], b["ok"], "{a} {b}");
        let lost = if a["ok"] == true { &b } else { &a };
        let now = one.ok("config.get", json!({})).await["hash"].clone();
        assert_eq!((&lost["error"]["code"], &lost["error"]["details"]["hash"]), (&json!("CONFLICT"), &now));
    }
}

/// An edit by hand is seen: its hash, its issues, the place of its mistake; a change on top of it keeps it.
#[tokio::test]
async fn beside_an_edit_by_hand() {
    let gateway = Gateway::with_config(START).await;
    let path = gateway.home.path().join("config.yaml");
    let mut client = gateway.connect(Encoding::Json).await;
    let old = client.ok("config.get", json!({})).await["hash"].clone();
    std::fs::write(&path, format!("{START}runs: {{idleSeconds: 7}} # by hand\n")).expect("writes");
    let error = client.err("config.set", json!({ "path": "runs.firstByteSeconds", "value": 8, "baseHash": old })).await;
    assert_eq!(error["code"], "CONFLICT");
    let base = error["details"]["hash"].clone();
    client.ok("config.set", json!({ "path": "runs.firstByteSeconds", "value": 8, "baseHash": base })).await;
    assert_eq!(text(&gateway), format!("{START}runs: {{idleSeconds: 7, firstByteSeconds: 8}} # by hand\n"));

    let broken = "runs:\n\tidleSeconds: 5\n";
    std::fs::write(&path, broken).expect("writes");
    let got = client.ok("config.get", json!({})).await;
    assert_eq!((&got["valid"], &got["value"]["runs"]["idleSeconds"]), (&json!(false), &json!(7)));
    assert_eq!((&got["issues"][0]["line"], got["raw"].as_str()), (&json!(2), Some(broken)));
    for (method, params) in
        [("config.set", set("cron.enabled", json!(false))), ("config.patch", json!({ "patch": { "cron": null } }))]
    {
        let error = client.err(method, params).await;
        assert_eq!((&error["code"], &error["details"]["line"]), (&json!("CONFLICT"), &json!(2)), "{error}");
        assert!(error["message"].as_str().expect("words").contains("line 2, column 2"), "{error}");
    }
    assert_eq!(text(&gateway), broken);
    let mended = json!({ "raw": broken.replace('\t', "  "), "baseHash": got["hash"] });
    client.ok("config.set", mended).await;
    assert_eq!(client.ok("config.get", json!({ "path": "runs.idleSeconds" })).await["value"], 5);
}

/// What is written by hand runs a moment later, and everyone hears of it. A mistake changes nothing but what is told of
/// it; corrected, the file runs again.
#[tokio::test]
async fn an_edit_by_hand_applies_by_itself() {
    let gateway = Gateway::with_config(START).await;
    let path = gateway.home.path().join("config.yaml");
    let mut client = gateway.connect(Encoding::Json).await;
    let named = |name: &str| format!("{START}agents: {{entries: {{main: {{name: {name}}}}}}}\n");
    // As editors write: beside it, and then in its place.
    let write = |text: &str| {
        let beside = path.with_extension("yaml~");
        std::fs::write(&beside, text).expect("writes");
        std::fs::rename(&beside, &path).expect("renames");
    };
    write(&named("Ada"));
    let hash = changed(&mut client).await;
    assert_eq!(client.ok("config.get", json!({})).await["hash"], hash);
    let agents = client.ok("agents.list", json!({})).await;
    assert_eq!(agents["agents"][0]["name"], "Ada");

    write("# mine\ngateway: {port: no number}\n");
    changed(&mut client).await;
    let health = client.ok("health", json!({ "refresh": true })).await;
    assert_eq!(health["configProblem"]["line"], 2, "{health}");
    assert_eq!(client.ok("agents.list", json!({})).await["agents"][0]["name"], "Ada");
    let told = client.ok("diagnostics.list", json!({})).await.to_string();
    assert!(told.contains("config.invalid"), "{told}");

    write(&named("Eve"));
    changed(&mut client).await;
    assert_eq!(client.ok("agents.list", json!({})).await["agents"][0]["name"], "Eve");
    let health = client.ok("health", json!({ "refresh": true })).await;
    assert_eq!(health.get("configProblem"), None, "{health}");
}

/// The same key gives the same answer, over a crash too, and has one effect.
#[tokio::test]
async fn a_repeat_after_a_crash_has_one_effect() {
    let gateway = Gateway::with_config(START).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let hash = client.ok("config.get", json!({})).await["hash"].clone();
    let mut params = json!({ "path": "runs.idleSeconds", "value": 9, "baseHash": hash, "idempotencyKey": "k" });
    let first = client.ok("config.set", params.clone()).await;
    let id = client.ok("config.history", json!({})).await["versions"][0]["id"].clone();
    let restore = json!({ "id": id, "idempotencyKey": "r" });
    let restored = client.ok("config.restore", restore.clone()).await;
    assert_eq!(text(&gateway), START);
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    assert_eq!(client.ok("config.set", params.clone()).await, first);
    assert_eq!(client.ok("config.restore", restore).await, restored);
    assert_eq!(text(&gateway), START, "no second effect");
    params["value"] = json!(10);
    assert_eq!(client.err("config.set", params).await["code"], "CONFLICT");
    let versions = client.ok("config.history", json!({})).await["versions"].as_array().map(Vec::len);
    assert_eq!(versions, Some(2));
}

/// Planted secrets go through every method, and come out of none: no answer, event, log, history or database has one.
#[tokio::test]
async fn secrets_are_never_shown() {
    const FIRST: &str = "q7Zx9-planted-first-K3mW";
    const SECOND: &str = "p4Yv2-planted-second-L8nB";
    let gateway = Gateway::with_config(&format!("{START}channels: {{x: {{token: {FIRST}}}}} # {FIRST}\n")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let mut watcher = gateway.connect(Encoding::Json).await;
    let mut seen = Vec::new();
    seen.push(client.ok("config.set", set("channels.x.token", json!(SECOND))).await);
    seen.push(client.ok("config.set", set("channels.y", json!({ "password": FIRST, "n": 1 }))).await);
    let got = client.ok("config.get", json!({})).await;
    let raw = got["raw"].as_str().expect("text").replace("quiet", "still");
    seen.push(client.ok("config.set", json!({ "raw": raw, "baseHash": got["hash"] })).await);
    seen.push(got);
    for bad in [
        set("channels.x.port:token", json!(FIRST)),
        set("gateway.port", json!(FIRST)),
        set("gateway.tokn", json!(SECOND)),
    ] {
        seen.push(client.call("config.set", bad).await);
    }
    let history = client.ok("config.history", json!({})).await;
    let id = history["versions"][1]["id"].clone();
    seen.push(history);
    seen.push(client.ok("config.restore", json!({ "id": id })).await);
    seen.push(client.ok("logs.tail", json!({})).await);
    seen.push(client.ok("diagnostics.list", json!({})).await);
    seen.extend(watcher.events_so_far().await);
    let all = serde_json::to_string(&seen).expect("serializes");
    let database = std::fs::read(gateway.home.path().join("state/gateway.db-wal")).unwrap_or_default();
    let files = format!("{}{}", gateway.all_output(), String::from_utf8_lossy(&database));
    assert!(text(&gateway).contains(SECOND), "the file has it");
    for secret in [FIRST, SECOND] {
        assert!(!all.contains(secret), "an answer shows {secret}");
        assert!(!files.contains(secret), "a log or the database has {secret}");
    }
    let kept = std::fs::read_dir(gateway.home.path().join("config.history")).expect("is there").flatten();
    for version in kept {
        let text = std::fs::read_to_string(version.path()).expect("reads");
        let about = text.lines().next().expect("a line");
        assert!(!about.contains("planted"), "{about}");
    }
}

/// Only who may administer changes; who may read sees.
#[tokio::test]
async fn parameters_and_scopes() {
    let gateway = Gateway::in_home(&Home::with_config(START)).await;
    let mut client = gateway.connect(Encoding::Json).await;
    for (params, place) in [
        (json!({}), "/path"),
        (json!({ "path": "a" }), "/value"),
        (json!({ "value": 1 }), "/path"),
        (json!({ "raw": "" }), "/baseHash"),
        (json!({ "raw": "", "baseHash": "0".repeat(64), "path": "a", "value": 1 }), "/raw"),
    ] {
        let error = client.err("config.set", params.clone()).await;
        assert_eq!(error["details"]["issues"][0]["path"], place, "{params} {error}");
    }
    let error = client.err("config.set", set("gateway.prot", json!(5))).await;
    let issue = &error["details"]["issues"][0];
    assert_eq!((&error["code"], &issue["path"]), (&json!("INVALID_REQUEST"), &json!("/gateway/prot")));
    assert!(issue["message"].as_str().expect("words").contains("did you mean `port`?"), "{issue}");
    assert_eq!(client.err("config.restore", json!({ "id": "0" })).await["code"], "NOT_FOUND");
    let dry = client.ok("config.patch", json!({ "patch": { "cron": { "enabled": false } }, "dryRun": true })).await;
    assert!(dry["diff"].as_str().expect("text").contains("+  enabled: false"), "{dry}");
    assert_eq!(text(&gateway), START);
    let mut reader = gateway.connect_as(Encoding::Json, json!({ "scopes": ["operator.read"] })).await;
    assert_eq!(reader.ok("config.history", json!({})).await["versions"], json!([]));
}
