//! What an agent can do, end to end: a scripted model calls tools, a real gateway does what they ask for.

mod approvals;
mod exec;
mod fetch;
mod files;
mod guide;
mod ordinary;
mod others;
mod shown;
mod stop;
mod trace;

use std::path::PathBuf;

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model};
use simpleclaw_tests::raw::is_terminal;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::send;

/// What one run told of its tools.
pub struct Told {
    /// `data` of every tool event, in order.
    pub phases: Vec<Value>,
    pub end: Value,
    /// Every question that was asked.
    pub asked: Vec<Value>,
}

impl Told {
    /// The results in order: whether it is an error, and its words.
    pub fn results(&self) -> Vec<(bool, String)> {
        let results = self.phases.iter().filter(|phase| phase["phase"] == "result");
        let result = |phase: &Value| {
            (phase["isError"].as_bool().expect("a flag"), phase["result"].as_str().expect("words").to_owned())
        };
        results.map(result).collect()
    }

    /// The only result.
    pub fn result(&self) -> (bool, String) {
        let results = self.results();
        assert_eq!(results.len(), 1, "{:?}", self.phases);
        results.into_iter().next().expect("one result")
    }

    pub fn output(&self) -> String {
        let chunks = self.phases.iter().filter(|phase| phase["phase"] == "output");
        chunks.filter_map(|phase| phase["chunk"].as_str()).collect()
    }
}

/// Has the model call these tools, one after the other, and then answer.
pub fn script(model: &Model, calls: &[(&str, Value)]) {
    let calls = calls.iter().map(|(name, args)| Answer::tool_call(name, &args.to_string()));
    model.script(calls.chain([Answer::deltas(["done"])]).collect::<Vec<_>>());
}

/// Runs them in the main session and answers every question with `decision`; without one, no question may come.
pub async fn run(
    model: &Model,
    client: &mut RawClient,
    id: &str,
    decision: Option<&str>,
    calls: &[(&str, Value)],
) -> Told {
    script(model, calls);
    client.ok("chat.send", send("main", "go", id)).await;
    follow(client, id, decision).await
}

/// Follows a run to its end.
pub async fn follow(client: &mut RawClient, id: &str, decision: Option<&str>) -> Told {
    let mut told = Told { phases: vec![], end: Value::Null, asked: vec![] };
    loop {
        let event = client.event().await;
        let payload = &event["payload"];
        if event["type"] == "exec.approval.requested" && payload["runId"] == id {
            let decision = decision.unwrap_or_else(|| panic!("nobody was to be asked: {payload}"));
            told.asked.push(payload.clone());
            client.ok("exec.approval.resolve", json!({ "id": payload["id"], "decision": decision })).await;
        } else if event["type"] == "agent.event" && payload["runId"] == id && payload["stream"] == "tool" {
            told.phases.push(payload["data"].clone());
        } else if is_terminal(&event) && event["runId"] == id {
            told.end = event;
            return told;
        }
    }
}

/// Waits for a phase of a tool of a run.
pub async fn phase(client: &mut RawClient, id: &str, phase: &str) -> Value {
    let fits = |event: &Value| {
        event["type"] == "agent.event" && event["payload"]["runId"] == id && event["payload"]["data"]["phase"] == phase
    };
    client.event_where(phase, fits).await["payload"]["data"].clone()
}

/// Where the agent works.
pub fn workspace(gateway: &Gateway) -> PathBuf {
    let folder = gateway.home.path().join("agents/main/workspace");
    std::fs::create_dir_all(&folder).expect("the workspace");
    folder
}

/// Whether commands are kept in on this machine.
pub async fn enforced(client: &mut RawClient) -> bool {
    let health = client.ok("health", json!({ "refresh": true })).await;
    health["sandbox"]["enforced"].as_array().is_some_and(|enforced| !enforced.is_empty())
}

/// `tools.list` says what the profile has, and the model is offered exactly that.
#[tokio::test]
async fn an_agent_has_the_tools_of_its_profile() {
    let standard = ["exec", "process", "read", "write", "edit", "list", "search", "fetch", "memory"];
    let full = [&standard[..], &["sessions"]].concat();
    for (profile, names) in [("none", vec![]), ("standard", standard.to_vec()), ("full", full)] {
        let more = format!("agents: {{entries: {{main: {{name: Claw, tools: {{profile: {profile}}}}}}}}}");
        let (model, gateway) = crate::chat::with_model(&more).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        let listed = client.ok("tools.list", json!({})).await;
        let of = |tools: &Value, name: &dyn Fn(&Value) -> Value| {
            tools.as_array().into_iter().flatten().map(name).collect::<Vec<_>>()
        };
        assert_eq!(of(&listed["tools"], &|tool| tool["name"].clone()), names, "{profile}");
        assert_eq!(listed["agentId"], "main");
        client.ok("chat.send", send("main", "hi", "r")).await;
        client.run_to_end("r").await;
        let offered = &model.calls()[0]["tools"];
        assert_eq!(of(offered, &|tool| tool["function"]["name"].clone()), names, "{profile}");
        let told = run(&model, &mut client, "s", None, &[("sessions", json!({ "action": "list" }))]).await;
        assert_eq!(told.result().0, profile != "full", "{:?}", told.result());
    }
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Json).await;
    assert_eq!(client.err("tools.list", json!({ "agentId": "nobody" })).await["code"], "NOT_FOUND");
}

/// Arguments that do not fit are said so that the model can do better, and nothing is done; the run goes on.
#[tokio::test]
async fn wrong_calls_are_answered_in_words() {
    let (model, gateway) = crate::chat::with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let calls = [
        ("nothing", json!({})),
        ("read", json!({})),
        ("read", json!({ "path": "x", "mode": 1 })),
        ("read", json!({ "path": 5 })),
        ("write", json!({ "path": "x" })),
        ("edit", json!({ "path": "x", "edits": [] })),
        ("exec", json!({})),
        ("exec", json!({ "argv": ["true"], "command": "true" })),
        ("exec", json!({ "argv": [] })),
        ("exec", json!({ "argv": ["true"], "timeoutSeconds": 0 })),
        ("exec", json!({ "argv": ["no-such-program-here"] })),
        ("exec", json!({ "argv": ["true"], "env": { "LD_PRELOAD": "x" } })),
        ("process", json!({ "action": "poll", "id": "nobody" })),
        ("search", json!({})),
        ("search", json!({ "pattern": "(" })),
        ("memory", json!({ "action": "search", "query": "*" })),
        ("memory", json!({ "action": "note", "text": " " })),
    ];
    let told = run(&model, &mut client, "r", None, &calls).await;
    assert_eq!(told.end["state"], "final");
    let results = told.results();
    assert_eq!(results.len(), calls.len());
    for ((is_error, words), call) in results.iter().zip(&calls) {
        assert!(is_error, "{call:?} was done: {words}");
        assert!(words.len() > 10, "{call:?}: {words}");
    }
    assert!(results[0].1.contains("there is no tool named \"nothing\""), "{}", results[0].1);
    // The model reads each result under the id of its call, and every call has one.
    let last = model.calls().pop().expect("a call");
    let messages = last["messages"].as_array().expect("a list");
    let asked: Vec<_> = messages.iter().filter_map(|message| message["tool_calls"][0]["id"].as_str()).collect();
    let answered: Vec<_> = messages.iter().filter_map(|message| message["tool_call_id"].as_str()).collect();
    assert_eq!((asked.len(), &asked), (calls.len(), &answered));
    let unique: std::collections::HashSet<_> = asked.iter().collect();
    assert_eq!(unique.len(), asked.len(), "{asked:?}");
    assert_eq!(model.faults(), Vec::<String>::new());
}
