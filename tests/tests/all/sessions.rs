//! Sessions: keys, lists, resets (protocol.md 4 and 8).

use std::collections::HashSet;

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{history, send, with_model};

/// A first start makes what it needs and nothing that the person did not write; the main session is there at once.
#[tokio::test]
async fn a_fresh_home_is_ready() {
    use std::os::unix::fs::PermissionsExt as _;
    let gateway = Gateway::in_home(&Home::new()).await;
    let home = gateway.home.path();
    let token = home.join("token");
    assert_eq!(std::fs::metadata(&token).expect("a token").permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&home).expect("a home").permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_to_string(&token).expect("a token"), format!("{}\n", gateway.token));
    assert!(home.join("state/gateway.db").exists() && !home.join("config.yaml").exists());
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let lock: Value = serde_json::from_slice(&std::fs::read(home.join("gateway.lock")).expect("a lock")).expect("JSON");
    let expected = json!({
        "pid": gateway.pid,
        "url": format!("ws://127.0.0.1:{}", gateway.port),
        "bootId": client.hello["server"]["bootId"],
    });
    assert_eq!(lock, expected);
    let list = client.ok("sessions.list", json!({})).await;
    assert_eq!((&list["total"], &list["nextCursor"]), (&json!(1), &Value::Null));
    let row = &list["sessions"][0];
    assert_eq!((&row["key"], &row["messageCount"]), (&json!("agent:main:main"), &json!(0)));
    assert_eq!((&row["kind"], &row["status"]), (&json!("main"), &json!("idle")));
    let config = client.ok("config.get", json!({})).await;
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!((&config["raw"], &config["hash"], &config["valid"]), (&json!(""), &json!(empty), &json!(true)));
    assert_eq!(history(&mut client, "main").await, Vec::<Value>::new());
}

/// Keys that are none are INVALID_REQUEST at their place; well-formed ones of nobody are NOT_FOUND and make nothing.
#[tokio::test]
async fn keys_are_checked() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let malformed = [
        "Main",
        "agent:main:Notes",
        "agent:Main:main",
        "",
        "agent:main",
        "agent:main:",
        "agent:main:cron",
        "agent:main:subagent",
        "agent:main:telegram",
        "agent:main:discord",
        "agent:main:webchat",
        "agent:main:-x",
        "agent:main:a b",
        "agent:main:x:y",
        "agent:../x:main",
        "user:a:main",
        "agent:main:é",
    ];
    let long = format!("agent:main:{}", "x".repeat(65));
    for key in malformed.into_iter().chain([long.as_str()]) {
        for (method, member) in [
            ("chat.send", "sessionKey"),
            ("chat.history", "sessionKey"),
            ("sessions.get", "key"),
            ("chat.inject", "sessionKey"),
        ] {
            let mut params = match method {
                "chat.send" => send("", "hi", "k"),
                "chat.inject" => json!({ "message": "hi" }),
                _ => json!({}),
            };
            params[member] = key.into();
            let error = client.err(method, params).await;
            assert_eq!(error["code"], "INVALID_REQUEST", "{method} {key:?}: {error}");
            assert_eq!(error["details"]["issues"][0]["path"], format!("/{member}"), "{method} {key:?}");
        }
    }
    for key in [
        "agent:nobody:main",
        "agent:nobody:x",
        "agent:main:telegram:default:direct:1",
        "agent:main:cron:daily",
        "agent:main:subagent:7",
    ] {
        for (method, params) in [
            ("chat.send", send(key, "hi", "k")),
            ("sessions.send", json!({ "key": key, "message": "hi", "idempotencyKey": "k" })),
            ("chat.inject", json!({ "sessionKey": key, "message": "hi" })),
            ("chat.history", json!({ "sessionKey": key })),
            ("chat.abort", json!({ "sessionKey": key })),
            ("sessions.get", json!({ "key": key })),
            ("sessions.reset", json!({ "key": key })),
        ] {
            assert_eq!(client.err(method, params).await["code"], "NOT_FOUND", "{method} {key}");
        }
    }
    // Reading makes no session either.
    assert_eq!(client.err("chat.history", json!({ "sessionKey": "agent:main:new" })).await["code"], "NOT_FOUND");
    assert_eq!(client.err("runs.get", json!({ "runId": "nobody" })).await["code"], "NOT_FOUND");
    assert_eq!(client.err("runs.abort", json!({ "agentId": "nobody" })).await["code"], "NOT_FOUND");
    assert_eq!(client.ok("sessions.list", json!({})).await["total"], 1);
    assert_eq!(client.ok("chat.send", send("agent:main:0.a_b-c", "hi", "k")).await["sessionKey"], "agent:main:0.a_b-c");
}

async fn all_keys(client: &mut RawClient, mut params: Value) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let page = client.ok("sessions.list", params.clone()).await;
        let rows = page["sessions"].as_array().expect("a list");
        keys.extend(rows.iter().map(|row| row["key"].as_str().expect("a key").to_owned()));
        if page["nextCursor"].is_null() {
            assert_eq!(page["total"], keys.len());
            return keys;
        }
        params["cursor"] = page["nextCursor"].clone();
    }
}

/// 250 sessions are listed newest first, page by page, each once; filters and search find theirs.
#[tokio::test]
async fn sessions_are_listed_and_found() {
    let config = "models: {detect: false}\nagents: {entries: {main: {name: Claw}, support: {name: Help}}}\n";
    let gateway = Gateway::with_config(config).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for number in 0..250 {
        let agent = if number % 10 == 0 { "support" } else { "main" };
        let note = json!({ "sessionKey": format!("agent:{agent}:s{number}"), "message": "hi" });
        client.ok("chat.inject", note).await;
    }
    let keys = all_keys(&mut client, json!({ "limit": 60 })).await;
    assert_eq!(keys.len(), 252, "and the two main sessions");
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 252, "each once");
    let made: Vec<_> = keys.iter().filter(|key| !key.ends_with(":main")).collect();
    let numbers: Vec<u32> =
        made.iter().map(|key| key.rsplit(":s").next().and_then(|n| n.parse().ok()).expect("ours")).collect();
    assert_eq!(numbers, (0..250).rev().collect::<Vec<_>>(), "newest first");
    let first = client.ok("sessions.list", json!({})).await;
    assert_eq!((first["sessions"].as_array().map(Vec::len), &first["total"]), (Some(100), &json!(252)));
    assert_eq!(all_keys(&mut client, json!({ "agentId": "support", "limit": 7 })).await.len(), 26);
    assert_eq!(all_keys(&mut client, json!({ "search": "S24" })).await.len(), 11, "s24 and s240 to s249");
    assert_eq!(all_keys(&mut client, json!({ "search": "%" })).await, Vec::<String>::new(), "a sign is a sign");
    assert_eq!(all_keys(&mut client, json!({ "search": "_" })).await, Vec::<String>::new());
    assert_eq!(all_keys(&mut client, json!({ "archived": true })).await, Vec::<String>::new());
    assert_eq!(all_keys(&mut client, json!({ "channel": "telegram" })).await, Vec::<String>::new());
    assert_eq!(all_keys(&mut client, json!({ "activeMinutes": 60, "limit": 1000 })).await.len(), 252);
    let agents = client.ok("agents.list", json!({})).await;
    let counts: Vec<_> =
        agents["agents"].as_array().expect("a list").iter().map(|row| (&row["id"], &row["sessionCount"])).collect();
    assert_eq!(json!(counts), json!([["main", 226], ["support", 26]]));
}

/// A reset starts the conversation anew under the same key: empty, with another id, counting from 1, and the model
/// sees nothing of before.
#[tokio::test]
async fn a_reset_begins_anew() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("main", "a secret of before", "r1")).await;
    client.run_to_end("r1").await;
    let before = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    let reset = client.ok("sessions.reset", json!({ "key": "main", "reason": "new topic" })).await;
    assert_eq!(reset["key"], "agent:main:main");
    assert_ne!(reset["sessionId"], before["sessionId"]);
    let told = client.event_where("the reset", |event| event["payload"]["reason"] == "reset").await;
    assert_eq!(told["payload"]["session"]["sessionId"], reset["sessionId"]);
    assert_eq!(told["payload"]["session"]["messageCount"], 0);
    assert_eq!(history(&mut client, "main").await, Vec::<Value>::new());
    client.ok("chat.send", send("main", "after", "r2")).await;
    client.run_to_end("r2").await;
    let seqs: Vec<_> = history(&mut client, "main").await.iter().map(|message| message["seq"].clone()).collect();
    assert_eq!(json!(seqs), json!([1, 2]));
    assert!(!model.calls()[1].to_string().contains("a secret of before"));
    // Not destroyed: the run still knows its messages.
    let run = client.ok("runs.get", json!({ "runId": "r1" })).await;
    assert_eq!(run["messageIds"].as_array().map(Vec::len), Some(2));
}

/// A reset during a run ends it once, and its last words join the conversation that ended, not the new one.
#[tokio::test]
async fn a_reset_stops_what_runs() {
    let (model, gateway) = with_model("").await;
    model.script([Answer::Stream(vec![Step::Delta("old words".into()), Step::Hang])]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("main", "1", "r1")).await;
    client.event_where("text", |event| event["delta"] == "old words").await;
    client.ok("chat.send", send("main", "2", "r2")).await;
    client.ok("sessions.reset", json!({ "key": "main" })).await;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        ended.push(client.event_where("an end", |event| event["state"] == "aborted").await["runId"].clone());
    }
    ended.sort_by_key(ToString::to_string);
    assert_eq!(json!(ended), json!(["r1", "r2"]));
    client.ok("chat.send", send("main", "3", "r3")).await;
    client.run_to_end("r3").await;
    let messages = history(&mut client, "main").await;
    let shown: Vec<_> = messages.iter().map(|message| (&message["seq"], &message["content"][0]["text"])).collect();
    assert_eq!(json!(shown), json!([[1, "3"], [2, "Hello."]]));
    let row = client.ok("sessions.get", json!({ "key": "main" })).await["session"].clone();
    assert_eq!((&row["messageCount"], &row["status"]), (&json!(2), &json!("idle")));
}
