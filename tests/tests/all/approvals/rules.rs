//! `allow-session` and `allow-always`: what they leave, how it may be changed, and when it ends.

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use super::{ask, asker, now, pending, resolve, verified};

/// A plain program that may get a rule.
fn listing(number: usize) -> Value {
    json!({
        "action": { "kind": "exec", "argv": ["ls", "share"], "cwd": "/usr" },
        "why": "a test",
        "idempotencyKey": format!("listing-{number}"),
    })
}

async fn rules(client: &mut RawClient) -> Value {
    client.ok("exec.approvals.get", json!({})).await
}

async fn state(program: &mut RawClient, number: usize) -> Value {
    program.ok("exec.approval.request", listing(number)).await["state"].clone()
}

/// A rule that would allow more than was proposed is refused at its place; a narrower one is kept, and holds for exactly
/// what it says.
#[tokio::test]
async fn a_rule_can_only_be_made_narrower() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let id = ask(&mut program, listing(1)).await;
    let proposed = now(&mut person, &id).await["proposedRule"].clone();
    assert_eq!((&proposed["id"], &proposed["agentId"]), (&json!(""), &json!("main")), "{proposed}");
    assert_eq!((&proposed["folder"], &proposed["argv"]), (&json!("/usr"), &json!(["ls", "share"])));
    let with = |member: &str, value: Value| {
        let mut rule = proposed.clone();
        match value {
            Value::Null => drop(rule.as_object_mut().expect("an object").remove(member)),
            value => rule[member] = value,
        }
        rule
    };
    for wider in [
        with("agentId", json!("other")),
        with("folder", Value::Null),
        with("folder", json!("/")),
        with("folder", json!("/usr/share")),
        with("program", json!("/usr/bin/env")),
        with("argv", json!(["ls"])),
        with("argv", json!([])),
        with("argv", json!(["ls", "share", "-R"])),
        with("prefix", json!(true)),
        with("expiresAt", json!("2001-01-01T00:00:00.000Z")),
    ] {
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
    let saved = rules(&mut person).await["rules"].clone();
    assert_eq!(saved.as_array().map(Vec::len), Some(1));
    for member in ["agentId", "folder", "program", "argv", "prefix", "network", "expiresAt"] {
        assert_eq!(saved[0][member], narrower[member], "{member}");
    }
    assert!(saved[0]["words"].as_str().expect("words").contains("2199"), "{saved}");
    // The same is no question any more; another folder or other words are.
    assert_eq!(state(&mut program, 2).await, "allowed");
    for (number, action) in [
        (3, json!({ "kind": "exec", "argv": ["ls", "share"], "cwd": "/" })),
        (4, json!({ "kind": "exec", "argv": ["ls", "share", "-R"], "cwd": "/usr" })),
        (5, json!({ "kind": "script", "script": "ls share", "cwd": "/usr" })),
    ] {
        let mut params = listing(number);
        params["action"] = action;
        ask(&mut program, params).await;
    }
    // It holds over a restart.
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut program = asker(&gateway).await;
    assert_eq!(state(&mut program, 6).await, "allowed");
}

/// Saved rules are taken back or narrowed in one step, by whoever knows how they are now; nothing can be put in.
#[tokio::test]
async fn saved_rules_are_revoked() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let empty = rules(&mut person).await;
    let id = ask(&mut program, listing(1)).await;
    assert_eq!(resolve(&mut person, &id, "allow-always").await["ok"], true);
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
    assert_eq!(state(&mut program, 2).await, "allowed");
    let none = person.ok("exec.approvals.set", set(json!([]), &changed["hash"])).await;
    assert_eq!(none, empty);
    assert_eq!(state(&mut program, 3).await, "pending");
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
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let id = ask(&mut program, listing(1)).await;
    assert_eq!(resolve(&mut person, &id, "allow-session").await["ok"], true);
    assert_eq!(rules(&mut person).await["rules"], json!([]), "it is not saved");
    assert_eq!(state(&mut program, 2).await, "allowed");
    person.ok("chat.inject", json!({ "sessionKey": "agent:main:other", "message": "x" })).await;
    let mut other = listing(3);
    other["sessionKey"] = "agent:main:other".into();
    ask(&mut program, other).await;
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    assert_eq!(state(&mut program, 4).await, "allowed");
    person.ok("sessions.reset", json!({ "key": "main" })).await;
    assert_eq!(state(&mut program, 5).await, "pending");
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
