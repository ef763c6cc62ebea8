//! `allow-session` and `allow-always`: what they leave, how it may be changed, and when it ends.

use serde_json::{Value, json};
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use super::{ask, asker, now, pending, verified};
use crate::chat::{send, with_model};
use crate::tools::{Told, follow, run, script, workspace};

/// What may get a rule, whether or not this machine isolates.
fn listing() -> Value {
    json!({ "argv": ["ls", "."], "network": true })
}

async fn rules(client: &mut RawClient) -> Value {
    client.ok("exec.approvals.get", json!({})).await
}

/// Has the agent run something in a session of its own. The network taints, and there rules do not hold any more.
async fn start(model: &Model, client: &mut RawClient, name: &str, call: Value) {
    script(model, &[("exec", call)]);
    client.ok("chat.send", send(&format!("agent:main:{name}"), "go", name)).await;
}

/// The same to its end; without a decision nobody may be asked.
async fn told(model: &Model, client: &mut RawClient, name: &str, decision: Option<&str>, call: Value) -> Told {
    start(model, client, name, call).await;
    follow(client, name, decision).await
}

/// A rule that would allow more than was proposed is refused at its place; a narrower one is kept, and holds for exactly
/// what it says.
#[tokio::test]
async fn a_rule_can_only_be_made_narrower() {
    let (model, gateway) = with_model("").await;
    let mut person = gateway.connect(Encoding::Json).await;
    let folder = workspace(&gateway).canonicalize().expect("canonical");
    std::fs::create_dir(folder.join("sub")).expect("a folder");
    start(&model, &mut person, "first", listing()).await;
    let asked = person.event_named("exec.approval.requested").await["payload"].clone();
    let (id, proposed) = (asked["id"].as_str().expect("an id").to_owned(), asked["proposedRule"].clone());
    assert_eq!((&proposed["id"], &proposed["agentId"]), (&json!(""), &json!("main")), "{proposed}");
    assert_eq!((&proposed["folder"], &proposed["argv"]), (&json!(folder), &json!(["ls", "."])));
    assert_eq!(proposed["sandboxed"], asked["action"]["sandbox"] != "none");
    let with = |member: &str, value: Value| {
        let mut rule = proposed.clone();
        match value {
            Value::Null => drop(rule.as_object_mut().expect("an object").remove(member)),
            value => rule[member] = value,
        }
        rule
    };
    let mut wider = vec![
        with("agentId", json!("other")),
        with("folder", Value::Null),
        with("folder", json!("/")),
        with("folder", json!(folder.join("sub"))),
        with("program", json!("/usr/bin/env")),
        with("argv", json!(["ls"])),
        with("argv", json!([])),
        with("argv", json!(["ls", ".", "-R"])),
        with("prefix", json!(true)),
        with("expiresAt", json!("2001-01-01T00:00:00.000Z")),
    ];
    if proposed["sandboxed"] == true {
        wider.push(with("sandboxed", json!(false)));
    }
    for wider in wider {
        let params = json!({ "id": id, "decision": "allow-always", "rule": wider });
        let error = person.err("exec.approval.resolve", params).await;
        assert_eq!(
            (&error["code"], &error["details"]["issues"][0]["path"]),
            (&json!("INVALID_REQUEST"), &json!("/rule")),
            "{wider}: {error}"
        );
    }
    let error = person.err("exec.approval.resolve", json!({ "id": id, "decision": "deny", "rule": proposed })).await;
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert_eq!(pending(&mut person).await, [id.as_str()]);
    assert_eq!(rules(&mut person).await["rules"], json!([]));

    let narrower = with("expiresAt", json!("2199-01-01T00:00:00.000Z"));
    person.ok("exec.approval.resolve", json!({ "id": id, "decision": "allow-always", "rule": narrower })).await;
    assert!(!follow(&mut person, "first", None).await.result().0);
    let saved = rules(&mut person).await["rules"].clone();
    assert_eq!(saved.as_array().map(Vec::len), Some(1));
    for member in ["agentId", "folder", "program", "argv", "prefix", "network", "sandboxed", "expiresAt"] {
        assert_eq!(saved[0][member], narrower[member], "{member}");
    }
    assert!(saved[0]["words"].as_str().expect("words").contains("2199"), "{saved}");
    // The same is no question any more; another folder or other words are.
    assert!(!told(&model, &mut person, "same", None, listing()).await.result().0);
    for (name, call) in [
        ("folder", json!({ "argv": ["ls", "."], "network": true, "cwd": "sub" })),
        ("words", json!({ "argv": ["ls", ".", "-R"], "network": true })),
        ("script", json!({ "command": "ls . | cat", "network": true })),
    ] {
        let told = told(&model, &mut person, name, Some("deny"), call).await;
        assert_eq!(told.asked.len(), 1, "{name}");
    }
    // It holds over a restart.
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut person = gateway.connect(Encoding::Json).await;
    assert!(!told(&model, &mut person, "again", None, listing()).await.result().0);
}

/// Saved rules are taken back or narrowed in one step, by whoever knows how they are now; nothing can be put in.
#[tokio::test]
async fn saved_rules_are_revoked() {
    let (model, gateway) = with_model("").await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let empty = rules(&mut person).await;
    assert_eq!(told(&model, &mut person, "first", Some("allow-always"), listing()).await.asked.len(), 1);
    let saved = rules(&mut person).await;
    assert_ne!(saved["hash"], empty["hash"]);
    let rule = saved["rules"][0].clone();
    let set = |rules: Value, hash: &Value| json!({ "rules": rules, "baseHash": hash });
    let stale = person.err("exec.approvals.set", set(json!([]), &empty["hash"])).await;
    assert_eq!((&stale["code"], &stale["details"]["hash"]), (&json!("CONFLICT"), &saved["hash"]));
    let mut forged = rule.clone();
    forged["id"] = "0".repeat(32).into();
    let mut wider = rule.clone();
    wider["argv"] = json!(["ls"]);
    for bad in [json!([forged]), json!([rule, rule]), json!([wider])] {
        let error = person.err("exec.approvals.set", set(bad.clone(), &saved["hash"])).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{bad}");
    }
    assert_eq!(rules(&mut person).await, saved, "nothing was changed");
    let mut narrower = rule.clone();
    narrower["expiresAt"] = "2199-01-01T00:00:00.000Z".into();
    let changed = person.ok("exec.approvals.set", set(json!([narrower]), &saved["hash"])).await;
    assert_eq!(changed["rules"][0]["expiresAt"], narrower["expiresAt"]);
    assert_eq!(person.err("exec.approvals.set", set(json!([rule]), &changed["hash"])).await["code"], "INVALID_REQUEST");
    assert_eq!(told(&model, &mut person, "ruled", None, listing()).await.asked.len(), 0);
    let none = person.ok("exec.approvals.set", set(json!([]), &changed["hash"])).await;
    assert_eq!(none, empty);
    assert_eq!(told(&model, &mut person, "revoked", Some("deny"), listing()).await.asked.len(), 1);
    let history = person.ok("exec.approval.history", json!({})).await;
    let kinds: Vec<_> = history["entries"].as_array().expect("rows").iter().map(|row| row["kind"].clone()).collect();
    for kind in ["rule-added", "rule-changed", "rule-removed"] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), 1, "{kind}: {kinds:?}");
    }
    assert_eq!(verified(&mut person).await["ok"], true);
}

/// What is allowed for a session is allowed until the session is reset, in no other session, and over a restart.
#[tokio::test]
async fn a_session_forgets_with_its_reset() {
    // Nobody listens there: a page that does not come taints nothing, and the rule goes on to hold.
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    nobody.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = nobody.local_addr().expect("an address").to_string();
    let model = Model::start().await;
    let home = Home::with_config(&model.config(""));
    home.set_variable("SIMPLECLAW_TEST_FETCH", &address);
    let gateway = Gateway::in_home(&home).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let calls = [("fetch", json!({ "url": format!("http://{address}/") }))];
    let first = run(&model, &mut person, "first", Some("allow-session"), &calls).await;
    assert_eq!(first.asked.len(), 1);
    assert!(first.result().1.contains("no connection"), "{:?}", first.result());
    assert_eq!(rules(&mut person).await["rules"], json!([]), "it is not saved");
    run(&model, &mut person, "second", None, &calls).await;
    // By an answer, and by the rule.
    let launched = person.ok("exec.approval.history", json!({ "kind": "launched" })).await["entries"].clone();
    let by: Vec<_> = launched.as_array().expect("rows").iter().map(|row| &row["approvalId"]).collect();
    assert_eq!(by, [&Value::Null, &first.asked[0]["id"]]);
    script(&model, &calls);
    person.ok("chat.send", send("agent:main:other", "go", "other")).await;
    assert_eq!(follow(&mut person, "other", Some("deny")).await.asked.len(), 1);
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut person = gateway.connect(Encoding::Json).await;
    run(&model, &mut person, "third", None, &calls).await;
    person.ok("sessions.reset", json!({ "key": "main" })).await;
    assert_eq!(run(&model, &mut person, "fourth", Some("deny"), &calls).await.asked.len(), 1);
}

/// Rules are an agent's. A program that asks for the same is answered by a person, and its question leaves no rule.
#[tokio::test]
async fn no_rule_answers_a_program() {
    // Without a sandbox, as programs are.
    let (model, gateway) = with_model("tools: {exec: {sandbox: off}}").await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let asked = told(&model, &mut person, "first", Some("allow-always"), listing()).await.asked;
    assert_eq!((asked.len(), &asked[0]["proposedRule"]["sandboxed"]), (1, &json!(false)));
    assert_eq!(told(&model, &mut person, "ruled", None, listing()).await.asked.len(), 0);
    let mut program = asker(&gateway).await;
    let folder = workspace(&gateway).canonicalize().expect("canonical");
    // In a session where the rule would hold for the agent.
    let params = json!({
        "action": { "kind": "exec", "argv": ["ls", "."], "cwd": folder, "network": true },
        "why": "a test",
        "sessionKey": "agent:main:main",
        "idempotencyKey": "listing",
    });
    let id = ask(&mut program, params).await;
    let question = now(&mut person, &id).await;
    assert_eq!(
        (&question["allowedDecisions"], &question["proposedRule"]),
        (&json!(["allow-once", "deny"]), &Value::Null)
    );
    for decision in ["allow-session", "allow-always"] {
        let answer = super::resolve(&mut person, &id, decision).await;
        assert_eq!(answer["error"]["code"], "INVALID_REQUEST", "{answer}");
    }
    assert_eq!(super::resolve(&mut person, &id, "allow-once").await["ok"], true);
    assert_eq!(rules(&mut person).await["rules"].as_array().map(Vec::len), Some(1));
}

/// What was always allowed within the sandbox is asked anew where there is none any more.
#[tokio::test]
async fn a_rule_of_the_sandbox_ends_with_it() {
    let (model, gateway) = with_model("").await;
    let mut person = gateway.connect(Encoding::Json).await;
    let first = told(&model, &mut person, "first", Some("allow-always"), listing()).await;
    if first.asked[0]["action"]["sandbox"] == "none" {
        // Nothing isolates here.
        return;
    }
    assert_eq!(told(&model, &mut person, "ruled", None, listing()).await.asked.len(), 0);
    person.ok("config.set", json!({ "path": "tools.exec.sandbox", "value": "off" })).await;
    let open = told(&model, &mut person, "open", Some("deny"), listing()).await;
    assert_eq!((open.asked.len(), &open.asked[0]["action"]["sandbox"]), (1, &json!("none")));
}

/// What would happen to a command is said, and nothing of it is done or remembered.
#[tokio::test]
async fn a_command_is_tried_out() {
    let gateway = Gateway::start().await;
    let mut person = gateway.connect(Encoding::Json).await;
    let shell = json!({ "command": "ls share | wc", "cwd": "/usr", "network": true });
    let tested = person.ok("exec.approvals.test", shell).await;
    assert_eq!((&tested["verdict"], &tested["action"]["kind"]), (&json!("ask"), &json!("script")), "{tested}");
    assert_eq!(tested["proposedRule"], Value::Null);
    let plain = json!({ "command": "ls share", "cwd": "/usr", "network": true });
    let tested = person.ok("exec.approvals.test", plain).await;
    assert_eq!((&tested["verdict"], &tested["action"]["argv"]), (&json!("ask"), &json!(["ls", "share"])), "{tested}");
    for bad in [
        json!({}),
        json!({ "command": "ls", "argv": ["ls"] }),
        json!({ "argv": ["no-such-program-anywhere"], "cwd": "/usr" }),
        json!({ "command": "ls", "cwd": "/no/such/folder" }),
    ] {
        assert_eq!(person.err("exec.approvals.test", bad.clone()).await["code"], "INVALID_REQUEST", "{bad}");
    }
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    assert_eq!(verified(&mut person).await["rows"], 0);
}

/// Whoever may only look learns nothing of what is in files: of those that are named there is no hash, and of those that
/// are out of reach nothing at all.
#[tokio::test]
async fn trying_out_a_command_reads_no_file_for_whoever_asks() {
    let gateway = Gateway::start().await;
    let mut reader = gateway.connect_as(Encoding::Json, json!({ "scopes": ["operator.read"] })).await;
    let folder = workspace(&gateway).canonicalize().expect("canonical");
    let (script, secrets) = (folder.join("job.sh"), gateway.home.path().join("secrets.yaml"));
    std::fs::write(&script, "echo x\n").expect("a file");
    std::fs::write(&secrets, "canary: 1\n").expect("a file");
    let tested = reader.ok("exec.approvals.test", json!({ "argv": ["sh", script], "network": true })).await;
    assert_eq!((&tested["verdict"], &tested["action"]["path"]), (&json!("ask"), &json!(script)), "{tested}");
    assert!(!tested.to_string().contains("SHA-256"), "{tested}");
    let tested = reader.ok("exec.approvals.test", json!({ "argv": ["sh", secrets] })).await;
    assert_eq!((&tested["verdict"], &tested["action"]["path"]), (&json!("forbid"), &Value::Null), "{tested}");
    assert!(!tested.to_string().contains("SHA-256"), "{tested}");
}
