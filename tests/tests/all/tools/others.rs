//! `memory` and `sessions`: what was said before, the agent's other conversations, and helpers of its own.

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Step};
use simpleclaw_tests::{Encoding, Gateway};

use super::{follow, phase, run, script, workspace};
use crate::chat::{history, send, with_model};

const FULL: &str = "agents: {entries: {main: {name: Claw, tools: {profile: full}}}}";

/// A note is in the next system prompt; what was said is found by its words, in all sessions of the agent.
#[tokio::test]
async fn notes_and_earlier_words() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("chat.send", send("agent:main:garden", "The tulips are called Apeldoorn", "first")).await;
    client.run_to_end("first").await;
    let calls = [
        ("memory", json!({ "action": "note", "text": "likes tulips" })),
        ("memory", json!({ "action": "search", "query": "tulips called" })),
        ("memory", json!({ "action": "search", "query": "OR NOT \"" })),
        ("memory", json!({ "action": "search", "query": "nobody-said-this" })),
    ];
    let told = run(&model, &mut client, "r", None, &calls).await;
    let results = told.results();
    assert!(results[1].1.contains("Apeldoorn") && results[1].1.contains("agent:main:garden"), "{:?}", results[1]);
    assert!(results[3].1.contains("nothing was found"), "{:?}", results[3]);
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("MEMORY.md")).expect("notes"), "- likes tulips\n");
    client.ok("chat.send", send("agent:main:new", "hi", "next")).await;
    client.run_to_end("next").await;
    let prompt = model.calls().pop().expect("a call")["messages"][0]["content"].to_string();
    assert!(prompt.contains("likes tulips"), "{prompt}");
}

/// What is sent to another session is answered there, comes as from an agent, and starts nothing further.
#[tokio::test]
async fn a_session_is_sent_to() {
    let (model, gateway) = with_model(FULL).await;
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send("agent:main:other", "hello", "first")).await;
    client.run_to_end("first").await;
    let to_other = json!({ "action": "send", "key": "agent:main:other", "text": "water the tulips" });
    let told = run(&model, &mut client, "r", None, &[("sessions", to_other)]).await;
    assert!(!told.result().0, "{:?}", told.result());
    let sent = loop {
        let messages = history(&mut client, "agent:main:other").await;
        if let Some(sent) = messages.iter().find(|message| message["content"][0]["text"] == "water the tulips") {
            break sent.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(sent["origin"]["channel"], "agent");
    assert_eq!(sent["origin"]["sender"], "agent:main:main");
    for (key, words) in [
        ("agent:main:main", "session you are in"),
        ("agent:main:none", "there is no session"),
        ("agent:main:telegram:default:direct:1", "only sessions of the owner"),
        ("agent:support:main", "another agent's"),
        ("../x", "`key`"),
    ] {
        let call = json!({ "action": "send", "key": key, "text": "x" });
        let id = format!("to {key}");
        let told = run(&model, &mut client, &id, None, &[("sessions", call)]).await;
        assert!(told.result().0 && told.result().1.contains(words), "{key}: {:?}", told.result());
    }
}

/// A sub-agent does its task in a session of its own, gives its answer, and goes only so deep.
#[tokio::test]
async fn a_sub_agent_answers() {
    let (model, gateway) = with_model(FULL).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let spawn = |text: &str| Answer::tool_call("sessions", &json!({ "action": "spawn", "text": text }).to_string());
    model.script([
        spawn("count"),
        // Depth 1
        spawn("count deeper"),
        // Depth 2, which may go no deeper.
        spawn("too deep"),
        Answer::deltas(["deep answer"]),
        Answer::deltas(["middle answer"]),
        Answer::deltas(["top answer"]),
    ]);
    client.ok("chat.send", send("main", "go", "r")).await;
    let told = follow(&mut client, "r", None).await;
    assert_eq!(told.result(), (false, "middle answer".to_owned()));
    assert_eq!(told.end["message"]["content"][0]["text"], "top answer");
    let deepest = model.calls()[3]["messages"].to_string();
    assert!(deepest.contains("sub-agents go 2 deep"), "{deepest}");
    let listed = client.ok("sessions.list", json!({})).await;
    let kinds: Vec<_> = listed["sessions"].as_array().expect("a list").iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == json!("subagent")).count(), 2, "{kinds:?}");
    // Only so many of one run.
    let calls: Vec<_> = (0..9).map(|_| spawn("one more")).flat_map(|call| [call, Answer::deltas(["ok"])]).collect();
    model.script(calls.into_iter().chain([Answer::deltas(["done"])]));
    client.ok("chat.send", send("main", "go", "many")).await;
    let results = follow(&mut client, "many", None).await.results();
    assert_eq!(results.iter().filter(|(is_error, _)| !is_error).count(), 8, "{results:?}");
    assert!(results.iter().any(|(_, words)| words.contains("8 sub-agents at most")), "{results:?}");
}

/// A sub-agent ends with its parent, and where only one run may go at a time it goes in its parent's place.
#[tokio::test]
async fn a_sub_agent_ends_with_its_parent() {
    let more = "agents: {maxConcurrentRuns: 1, entries: {main: {name: Claw, tools: {profile: full}}}}";
    let (model, gateway) = with_model(more).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let spawn = Answer::tool_call("sessions", &json!({ "action": "spawn", "text": "wait" }).to_string());
    model.script([spawn, Answer::Stream(vec![Step::Delta("below".into()), Step::Hang])]);
    client.ok("chat.send", send("main", "go", "r")).await;
    let below = client.event_where("the sub-agent's words", |event| event["delta"] == "below").await;
    client.ok("chat.abort", json!({ "sessionKey": "main" })).await;
    let child = below["runId"].as_str().expect("a run").to_owned();
    while client.ok("runs.get", json!({ "runId": child })).await["state"] != "aborted" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    while client.ok("runs.get", json!({ "runId": "r" })).await["state"] != "aborted" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    client.ok("chat.send", send("main", "still there?", "next")).await;
    let end: Value = client.run_to_end("next").await.pop().expect("an end");
    assert_eq!(end["state"], "final");
}

/// A sub-agent ends with its parent over a restart too, graceful or not: its question is withdrawn, and what it asked for
/// is not done. What a person writes in its session is nobody's task, and goes on as anywhere.
#[tokio::test]
async fn a_sub_agent_does_not_outlive_its_parent() {
    for crash in [false, true] {
        let (model, mut gateway) = with_model(FULL).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        let ask = json!({ "command": "echo ran > ran", "unconfined": true }).to_string();
        let spawn = json!({ "action": "spawn", "text": "try it" }).to_string();
        model.script([Answer::tool_call("sessions", &spawn), Answer::tool_call("exec", &ask)]);
        client.ok("chat.send", send("main", "go", "r")).await;
        let asked = client.event_named("exec.approval.requested").await["payload"].clone();
        let (key, task) = (asked["sessionKey"].as_str().expect("a key"), asked["runId"].as_str().expect("a run"));
        assert!(key.contains(":subagent:"), "{asked}");
        let home = if crash {
            gateway.crash().await
        } else {
            client.ok("gateway.shutdown", json!({})).await;
            assert_eq!(gateway.exited().await.code(), Some(0));
            gateway.home.clone()
        };

        let gateway = Gateway::in_home(&home).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        for id in ["r", task] {
            let run = client.ok("runs.get", json!({ "runId": id })).await;
            assert_eq!((&run["state"], &run["error"]["code"]), (&json!("error"), &json!("INTERRUPTED")), "{run}");
        }
        assert_eq!(client.ok("exec.approval.list", json!({})).await["approvals"], json!([]), "crash: {crash}");
        let late = json!({ "id": asked["id"], "decision": "allow-once" });
        let refused = client.err("exec.approval.resolve", late).await;
        assert_eq!((&refused["code"], &refused["details"]["state"]), (&json!("CONFLICT"), &json!("cancelled")));

        model.script([Answer::tool_call("exec", &ask)]);
        client.ok("chat.send", send(key, "try again", "own")).await;
        let waiting = phase(&mut client, "own", "waiting_approval").await;
        let gateway = Gateway::in_home(&gateway.crash().await).await;
        let mut client = gateway.connect(Encoding::Json).await;
        assert_eq!(client.ok("runs.get", json!({ "runId": "own" })).await["state"], "waiting_approval");
        let listed = client.ok("exec.approval.list", json!({})).await;
        assert_eq!(listed["approvals"][0]["id"], waiting["approvalId"], "{listed}");
        assert!(!workspace(&gateway).join("ran").exists());
        assert_eq!(model.faults(), Vec::<String>::new());
    }
}

/// What a sub-agent has from outside comes with its answer.
#[tokio::test]
async fn taint_goes_both_ways() {
    let (model, gateway) = with_model(FULL).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let network = json!({ "argv": ["echo", "page"], "network": true });
    script(&model, &[("sessions", json!({ "action": "spawn", "text": "look it up" })), ("exec", network.clone())]);
    model.script([Answer::deltas(["done"])]);
    client.ok("chat.send", send("main", "go", "r")).await;
    // The question is the sub-agent's, which has a run of its own.
    let asked = client.event_named("exec.approval.requested").await["payload"].clone();
    assert_ne!(asked["runId"], "r");
    assert!(asked["sessionKey"].as_str().is_some_and(|key| key.contains(":subagent:")), "{asked}");
    client.ok("exec.approval.resolve", json!({ "id": asked["id"], "decision": "allow-once" })).await;
    let told = follow(&mut client, "r", None).await;
    assert!(told.result().1.contains("Content from outside"), "{:?}", told.result());
    let told = run(&model, &mut client, "next", Some("deny"), &[("exec", network)]).await;
    let sources = told.asked[0]["origin"]["untrusted"].to_string();
    assert!(sources.contains("a sub-agent that has read the command echo page"), "{sources}");
}
