//! `simpleclaw approvals` and `simpleclaw audit verify`.

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway};

use super::{ask, asker, now, question};
use crate::chat::{send, with_model};
use crate::clients::cli::run;
use crate::tools::{follow, script};

#[tokio::test]
async fn the_command_line() {
    let (model, gateway) = with_model("").await;
    let mut program = asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let home = gateway.home.clone();
    let none = run(&home, &["approvals", "list"]).await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "Nothing waits for an answer.\n"), "{}", none.stderr);
    let (one, two) = (ask(&mut program, question(1)).await, ask(&mut program, question(2)).await);
    let list = run(&home, &["approvals", "list"]).await;
    for text in [&one, &two, "echo 1", "echo 2", "a test"] {
        assert!(list.stdout.contains(text), "{text}: {}", list.stdout);
    }
    let shown = run(&home, &["approvals", "show", &one[..8], "--json"]).await;
    assert_eq!((shown.code, &shown.json()["approval"]["id"]), (Some(0), &json!(one)), "{}", shown.stderr);
    let short = run(&home, &["approvals", "allow", &one[..3]]).await;
    assert_eq!(short.code, Some(1), "three characters name nothing");
    let allowed = run(&home, &["approvals", "allow", &one[..8]]).await;
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
    let approval = now(&mut person, &one).await;
    assert_eq!((&approval["state"], &approval["decidedBy"]["surface"]), (&json!("allowed"), &json!("cli")));
    let again = run(&home, &["approvals", "deny", &one, "--json"]).await;
    assert_eq!((again.code, &again.json()["error"]["code"]), (Some(1), &json!("CONFLICT")));
    let denied = run(&home, &["approvals", "deny", &two, "--reason", "no"]).await;
    assert_eq!((denied.code, &now(&mut person, &two).await["reason"]), (Some(0), &json!("no")), "{}", denied.stderr);

    script(&model, &[("exec", json!({ "argv": ["ls", "."], "network": true }))]);
    person.ok("chat.send", send("main", "go", "listing")).await;
    let asked = |event: &Value| event["type"] == "exec.approval.requested" && event["payload"]["runId"] == "listing";
    let asked = person.event_where("the agent's question", asked).await;
    let id = asked["payload"]["id"].as_str().expect("an id");
    assert_eq!(run(&home, &["approvals", "allow", id, "--always"]).await.code, Some(0));
    assert!(!follow(&mut person, "listing", None).await.result().0);
    let rules = run(&home, &["approvals", "rules", "--json"]).await.json();
    let rule = rules["rules"][0]["id"].as_str().expect("a rule").to_owned();
    let shown = run(&home, &["approvals", "rules"]).await;
    assert!(shown.stdout.contains(&rule) && shown.stdout.contains("/ls"), "{}", shown.stdout);
    let revoked = run(&home, &["approvals", "revoke", &rule]).await;
    assert_eq!((revoked.code, revoked.stdout.as_str()), (Some(0), "No rules are saved.\n"), "{}", revoked.stderr);
    assert_eq!(run(&home, &["approvals", "revoke", &rule]).await.code, Some(1));

    let tested = run(&home, &["approvals", "test", "ls share | wc", "--cwd", "/usr", "--network"]).await;
    assert!(tested.stdout.starts_with("It would be asked about."), "{} {}", tested.stdout, tested.stderr);
    let history = run(&home, &["approvals", "history", "--limit", "3"]).await;
    assert!(history.stdout.contains("rule removed") && history.stdout.contains("--cursor"), "{}", history.stdout);

    let good = run(&home, &["audit", "verify"]).await;
    assert_eq!(good.code, Some(0), "{}", good.stderr);
    drop((program, person));
    let home = gateway.crash().await;
    super::audit::change(&home, &["UPDATE audit SET at = at - 1 WHERE seq = 2"]).await;
    let gateway = Gateway::in_home(&home).await;
    let bad = run(&gateway.home, &["audit", "verify"]).await;
    assert_eq!(bad.code, Some(1));
    assert!(bad.stdout.starts_with("Row 2 "), "{}", bad.stdout);
    let bad = run(&gateway.home, &["audit", "verify", "--json"]).await;
    assert_eq!((bad.code, &bad.json()["firstBad"]["seq"]), (Some(1), &json!(2)));
}
