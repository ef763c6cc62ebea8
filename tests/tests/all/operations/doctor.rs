//! `simpleclaw doctor` with a gateway that is well, one that hangs, and none.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::Gateway;
use simpleclaw_tests::gateway::Home;

use crate::clients::cli::{Ended, run};

/// The findings of one check.
fn of<'a>(ended: &'a Value, check: &str) -> Vec<&'a Value> {
    let findings = ended["findings"].as_array().expect("findings");
    findings.iter().filter(|finding| finding["check"] == check).collect()
}

/// Whatever the disk of this machine has to say is not asked here.
fn well(ended: &Ended) -> bool {
    let value = ended.json();
    let findings = value["findings"].as_array().expect("findings");
    findings.iter().all(|finding| finding["state"] != "error" || finding["check"] == "disk")
}

#[tokio::test]
async fn a_gateway_that_is_well() {
    let gateway = Gateway::start().await;
    let looked = run(&gateway.home, &["doctor", "--json"]).await;
    assert!(well(&looked), "{}", looked.stdout);
    let value = looked.json();
    assert_eq!(value["home"], gateway.home.path().display().to_string());
    assert!(of(&value, "lock")[0]["message"].as_str().expect("words").contains(&gateway.pid.to_string()));
    assert_eq!(of(&value, "gateway")[0]["state"], "ok", "{value}");
    assert_eq!(of(&value, "database")[0]["state"], "ok", "{value}");
    let words = run(&gateway.home, &["doctor"]).await;
    assert!(words.stdout.contains("it answers"), "{}", words.stdout);
    assert_eq!(words.stderr, "");
}

#[tokio::test]
async fn a_gateway_that_hangs() {
    let gateway = Gateway::start().await;
    gateway.signal(Signal::SIGSTOP);
    let looked = run(&gateway.home, &["doctor", "--json"]).await;
    gateway.signal(Signal::SIGCONT);
    assert_eq!(looked.code, Some(1), "{}", looked.stdout);
    let value = looked.json();
    assert_eq!((&value["ok"], &of(&value, "gateway")[0]["state"]), (&json!(false), &json!("error")), "{value}");
}

/// A broken file is named with its place and the command that opens it there; the exit code says that something is wrong.
#[tokio::test]
async fn without_a_gateway() {
    let home = Home::new();
    let looked = run(&home, &["doctor", "--json"]).await;
    assert!(looked.code == Some(0) && well(&looked), "{}", looked.stdout);
    assert!(!home.path().exists(), "looking makes no home");

    let broken = "models: {detect: false}\ngateway:\n  port: many\n";
    let home = Home::with_config(broken);
    std::fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("a mode");
    let looked = run(&home, &["doctor", "--json"]).await;
    assert_eq!(looked.code, Some(1), "{}", looked.stdout);
    let value = looked.json();
    let finding = of(&value, "config")[0];
    assert!(finding["message"].as_str().expect("words").contains("config.yaml:3:"), "{finding}");
    assert!(finding["remedy"].as_str().expect("a command").contains("+3 "), "{finding}");
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("the home").collect();
    assert_eq!(left.len(), 1, "nothing was made: {left:?}");
    assert_eq!(std::fs::read_to_string(home.path().join("config.yaml")).expect("the file"), broken);
}
