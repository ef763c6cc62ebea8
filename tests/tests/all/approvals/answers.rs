//! Who may ask, hear and answer, and that the first answer is the only one.

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway};

use super::{ask, asker, now, pending, question, resolve, verified};

/// Two clients answer at the same moment: one answer counts, the other learns of it, and whoever looks on sees the one
/// outcome, once.
#[tokio::test]
async fn the_first_answer_is_the_only_one() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut one = gateway.connect(Encoding::Json).await;
    let mut two = gateway.connect(Encoding::Msgpack).await;
    let mut third = gateway.connect(Encoding::Json).await;
    let mut winners = [0, 0];
    for number in 0..20 {
        let id = ask(&mut program, question(number)).await;
        let seen = third.event_named("exec.approval.requested").await;
        assert_eq!((&seen["payload"]["id"], &seen["payload"]["state"]), (&json!(id), &json!("pending")));
        assert_eq!(seen["payload"]["action"]["script"], format!("echo {number}"));
        let (allow, deny) = tokio::join!(resolve(&mut one, &id, "allow-once"), resolve(&mut two, &id, "deny"));
        let (place, won, lost) = match allow["ok"] == true {
            true => (0, &allow, &deny),
            false => (1, &deny, &allow),
        };
        winners[place] += 1;
        assert_eq!((&won["ok"], &lost["ok"]), (&json!(true), &json!(false)), "{allow} {deny}");
        let approval = &won["payload"]["approval"];
        let expected = [("allowed", "allow-once"), ("denied", "deny")][place];
        assert_eq!((&approval["state"], &approval["decision"]), (&json!(expected.0), &json!(expected.1)));
        assert_eq!(lost["error"]["code"], "CONFLICT", "{lost}");
        let details = &lost["error"]["details"];
        for member in ["id", "state", "decision", "decidedBy", "decidedAt"] {
            assert_eq!(details[member], approval[member], "{member}: {details}");
        }
        let told = third.event_named("exec.approval.resolved").await["payload"].clone();
        for member in ["id", "state", "decision", "decidedBy", "decidedAt", "sessionKey"] {
            assert_eq!(told[member], approval[member], "{member}: {told}");
        }
        assert_eq!(now(&mut third, &id).await, *approval);
        let again = third.events_so_far().await;
        assert!(again.iter().all(|event| event["type"] != "exec.approval.resolved"), "told twice: {again:?}");
    }
    assert_eq!(winners.iter().sum::<i32>(), 20);
    assert_eq!(pending(&mut third).await, Vec::<String>::new());
    assert_eq!(verified(&mut third).await["rows"], 40);
}

/// The answer reaches whoever waits for it, and says who gave it.
#[tokio::test]
async fn whoever_asked_waits_for_the_answer() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let id = ask(&mut program, question(1)).await;
    let health = person.ok("health", json!({ "refresh": true })).await;
    assert_eq!(health["approvals"], json!({ "pending": 1 }));
    let wait = program.start("exec.approval.wait", json!({ "id": id, "timeoutMs": 20_000 })).await;
    let params = json!({ "id": id, "decision": "deny", "reason": "not\u{202e} today", "surface": "dialog" });
    let answered = person.ok("exec.approval.resolve", params).await["approval"].clone();
    let waited = program.answer(&wait).await;
    assert_eq!(waited["payload"]["approval"], answered, "{waited}");
    let by = json!({ "surface": "dialog", "user": "owner", "connId": person.hello["server"]["connId"] });
    assert_eq!((&answered["state"], &answered["decidedBy"]), (&json!("denied"), &by));
    let reason = answered["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("not") && !reason.contains('\u{202e}'), "{reason}");
    let health = person.ok("health", json!({ "refresh": true })).await;
    assert_eq!(health["approvals"], json!({ "pending": 0 }));
}

/// Whoever asked cannot answer: not on the connection that asked, not as the same instance, not after repeating it.
#[tokio::test]
async fn whoever_asked_cannot_answer() {
    let gateway = Gateway::start().await;
    let instance = |name: &str| {
        let client = json!({ "id": "p", "version": "1", "platform": "x", "mode": "test", "instanceId": name });
        json!({ "client": client })
    };
    let mut program = gateway.connect_as(Encoding::Json, instance("program")).await;
    let mut same = gateway.connect_as(Encoding::Json, instance("program")).await;
    let mut repeats = gateway.connect_as(Encoding::Json, instance("other")).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let id = ask(&mut program, question(1)).await;
    assert_eq!(ask(&mut repeats, question(1)).await, id, "a repeat gives the first answer");
    for client in [&mut program, &mut same, &mut repeats] {
        for decision in ["allow-once", "deny"] {
            let answer = resolve(client, &id, decision).await;
            assert_eq!(answer["error"]["code"], "FORBIDDEN", "{answer}");
        }
        assert_eq!(now(client, &id).await["state"], "pending");
    }
    assert_eq!(resolve(&mut person, &id, "allow-once").await["ok"], true);
}

/// Events, list, answers and history are for holders of the scope; a program without it may wait for what it asked, and
/// learns nothing of other questions. A node may ask too.
#[tokio::test]
async fn only_the_scope_hears_and_answers() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut stranger = asker(&gateway).await;
    let mut node = gateway.connect_as(Encoding::Msgpack, json!({ "role": "node" })).await;
    let mut hears = gateway.connect_as(Encoding::Json, json!({ "scopes": ["operator.approvals"] })).await;
    let id = ask(&mut program, question(1)).await;
    let of_node = ask(&mut node, question(2)).await;
    for expected in [&id, &of_node] {
        assert_eq!(hears.event_named("exec.approval.requested").await["payload"]["id"], **expected);
    }
    for client in [&mut program, &mut stranger] {
        let events = client.events_so_far().await;
        let heard = |event: &Value| event["type"].as_str().is_some_and(|name| name.starts_with("exec."));
        assert!(!events.iter().any(heard), "{events:?}");
    }
    for client in [&mut program, &mut stranger, &mut node] {
        for (method, params) in [
            ("exec.approval.list", json!({})),
            ("exec.approval.resolve", json!({ "id": id, "decision": "allow-once" })),
            ("exec.approval.history", json!({})),
            ("exec.approvals.get", json!({})),
            ("audit.verify", json!({})),
        ] {
            assert_eq!(client.err(method, params).await["code"], "FORBIDDEN", "{method}");
        }
    }
    assert_eq!(now(&mut program, &id).await["id"], id);
    assert_eq!(now(&mut node, &of_node).await["id"], of_node);
    for wanted in [id.as_str(), of_node.as_str(), &"0".repeat(32)] {
        let error = stranger.err("exec.approval.wait", json!({ "id": wanted, "timeoutMs": 0 })).await;
        assert_eq!(
            (&error["code"], &error["details"]["missingScope"]),
            (&json!("FORBIDDEN"), &json!("operator.approvals"))
        );
    }
    assert_eq!(resolve(&mut hears, &of_node, "deny").await["ok"], true);
    assert_eq!(now(&mut node, &of_node).await["state"], "denied");
}

/// Ids that name nothing, whatever they hold, answer nothing; a decision that is not offered, or comes again, changes
/// nothing.
#[tokio::test]
async fn hostile_ids_and_decisions() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Msgpack).await;
    let id = ask(&mut program, question(1)).await;
    assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    let mut near = id.clone();
    near.replace_range(31.., if id.ends_with('0') { "1" } else { "0" });
    let spaced = [format!(" {id}"), format!("{id} "), format!("{id}\n"), format!("{id}\0"), id.to_uppercase() + "x"];
    let hostile = ["%", "*", "_", "' OR 1=1 --", "../../x", "\u{202e}", "null", &near, &id[..31]];
    for bad in hostile.into_iter().map(str::to_owned).chain(spaced) {
        for decision in ["allow-once", "deny"] {
            let answer = resolve(&mut person, &bad, decision).await;
            assert_eq!(answer["error"]["code"], "NOT_FOUND", "{bad:?}: {answer}");
        }
        let error = person.err("exec.approval.wait", json!({ "id": bad, "timeoutMs": 0 })).await;
        assert_eq!(error["code"], "NOT_FOUND", "{bad:?}");
    }
    for bad in ["", &"a".repeat(65)] {
        assert_eq!(resolve(&mut person, bad, "deny").await["error"]["code"], "INVALID_REQUEST", "{bad:?}");
    }
    // A script gets no rule, so neither decision that leaves one is offered.
    for decision in ["allow-session", "allow-always"] {
        let answer = resolve(&mut person, &id, decision).await;
        assert_eq!(
            (&answer["error"]["code"], &answer["error"]["details"]["issues"][0]["path"]),
            (&json!("INVALID_REQUEST"), &json!("/decision"))
        );
    }
    assert_eq!(pending(&mut person).await, [id.as_str()]);
    let keyed = json!({ "id": id, "decision": "deny", "idempotencyKey": "once" });
    let first = person.ok("exec.approval.resolve", keyed.clone()).await;
    assert_eq!(person.ok("exec.approval.resolve", keyed).await, first, "a repeat after a lost answer");
    for decision in ["allow-once", "deny"] {
        assert_eq!(resolve(&mut person, &id, decision).await["error"]["code"], "CONFLICT");
    }
    assert_eq!(now(&mut person, &id).await["state"], "denied");
}

/// What does not say what it wants, cannot be shown whole, or carries the value of a variable is refused and leaves
/// nothing behind; signs that deceive are shown as what they are.
#[tokio::test]
async fn requests_are_checked_and_shown_as_they_are() {
    let gateway = Gateway::start().await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    for action in [
        json!({ "kind": "exec" }),
        json!({ "kind": "script", "argv": ["ls"] }),
        json!({ "kind": "fetch", "path": "/x" }),
        json!({ "kind": "script", "script": "x".repeat(8193) }),
        json!({ "kind": "script", "script": "\u{200b}".repeat(4000) }),
        json!({ "kind": "script", "script": "a\0b" }),
        json!({ "kind": "script", "script": "a", "envNames": ["TOKEN=hunter2"] }),
        json!({ "kind": "script", "script": "a", "env": { "TOKEN": "hunter2" } }),
        json!({ "kind": "sudo", "script": "a" }),
    ] {
        let mut params = question(1);
        params["action"] = action.clone();
        let error = program.err("exec.approval.request", params).await;
        assert_eq!(error["code"], "INVALID_REQUEST", "{action}: {error}");
    }
    let mut params = question(1);
    params["sessionKey"] = "agent:main:nobody".into();
    assert_eq!(program.err("exec.approval.request", params).await["code"], "NOT_FOUND");
    assert_eq!(pending(&mut person).await, Vec::<String>::new());
    let mut params = question(1);
    params["action"] = json!({ "kind": "script", "script": "rm \u{202e}x\u{1b}[2K", "envNames": ["TOKEN"] });
    let id = ask(&mut program, params).await;
    let shown = now(&mut person, &id).await;
    let script = shown["action"]["script"].as_str().expect("a script");
    assert!(!script.contains(['\u{202e}', '\u{1b}']) && script.contains("202e"), "{script}");
    assert_eq!(shown["action"]["envNames"], json!(["TOKEN"]));
}
