//! `simpleclaw config`, with a gateway and without: the same answers from both.

use serde_json::json;
use simpleclaw_tests::Gateway;
use simpleclaw_tests::gateway::Home;

use super::cli::{finish, run};

const TEXT: &str = "# mine\nmodels: {detect: false}\ngateway:\n  port: 18789  # usual\n";

/// Every command, in one home: first on its files, then against its gateway.
#[tokio::test]
async fn the_commands_with_and_without_a_gateway() {
    let home = Home::with_config(TEXT);
    let file = home.path().join("config.yaml");
    for running in [false, true] {
        std::fs::write(&file, TEXT).expect("writes");
        let _ = std::fs::remove_dir_all(home.path().join("config.history"));
        let gateway = if running { Some(Gateway::in_home(&home).await) } else { None };
        let text = || std::fs::read_to_string(&file).expect("is there");

        let path = run(&home, &["config", "path"]).await;
        assert_eq!((path.code, path.stdout.trim()), (Some(0), file.to_str().expect("UTF-8")));
        let check = run(&home, &["config", "check", "--json"]).await;
        assert_eq!((check.code, &check.json()["valid"]), (Some(0), &json!(true)), "{}", check.stderr);
        let get = run(&home, &["config", "get", "gateway.port", "--json"]).await;
        assert_eq!((get.code, get.json()), (Some(0), json!(18789)));
        let get = run(&home, &["config", "get", "agents.default"]).await;
        assert_eq!(get.stdout, "main\n");
        let schema = run(&home, &["config", "schema", "gateway.port", "--json"]).await;
        assert_eq!(schema.json()["maximum"], 65535);

        let set = run(&home, &["config", "set", "runs.idleSeconds", "9", "--json"]).await;
        assert_eq!((set.code, &set.json()["value"]), (Some(0), &json!(9)), "{}", set.stderr);
        assert_eq!(text(), format!("{TEXT}runs:\n  idleSeconds: 9\n"));
        let set = run(&home, &["config", "set", "agents.entries.main.name", "5"]).await;
        assert_eq!(set.code, Some(0), "{}", set.stderr);
        assert!(set.stdout.contains("+") && set.stdout.contains("Changed."), "{}", set.stdout);
        assert_eq!(run(&home, &["config", "get", "agents.entries.main.name"]).await.stdout, "5\n");
        let dry = run(&home, &["config", "unset", "runs", "--dry-run"]).await;
        assert!(dry.stdout.contains("-runs:") && dry.stdout.contains("dry run") && text().contains("runs:"));
        let unset = run(&home, &["config", "unset", "agents"]).await;
        assert_eq!((unset.code, text()), (Some(0), format!("{TEXT}runs:\n  idleSeconds: 9\n")));
        let patch = run(&home, &["config", "patch", r#"{"runs": null, "gateway": {"port": 7}}"#]).await;
        assert!(patch.stdout.ends_with("Changed.\n"), "{}", patch.stdout);
        assert_eq!(text(), TEXT.replace("18789", "7"));

        let history = run(&home, &["config", "history", "--json"]).await.json();
        let versions = history["versions"].as_array().expect("a list");
        assert_eq!(versions.len(), 4);
        let by = versions[0]["by"].as_str().expect("a name");
        assert_eq!(by.contains("simpleclaw-cli"), running, "{by}");
        let id = versions[0]["id"].as_str().expect("an id").to_owned();
        assert!(run(&home, &["config", "history"]).await.stdout.contains(&id));
        let restore = run(&home, &["config", "restore", &id]).await;
        assert_eq!((restore.code, text()), (Some(0), format!("{TEXT}runs:\n  idleSeconds: 9\n")), "{}", restore.stderr);

        let mut edit = home.command();
        edit.args(["config", "edit"]).env("EDITOR", "sed -i s/usual/unusual/");
        let edit = finish(edit).await;
        assert_eq!(edit.code, Some(0), "{}", edit.stderr);
        assert!(text().contains("# unusual") && edit.stdout.contains("Changed."), "{}", edit.stdout);
        let mut edit = home.command();
        edit.args(["config", "edit"]).env("EDITOR", "true");
        assert_eq!(finish(edit).await.stdout, "Nothing was changed.\n");
        drop(gateway);
    }
}

/// What is wrong is said with its place, its line and the nearest key, and with exit code 78.
#[tokio::test]
async fn mistakes_have_their_place() {
    let home = Home::with_config(TEXT);
    for running in [false, true] {
        std::fs::write(home.path().join("config.yaml"), TEXT).expect("writes");
        let gateway = if running { Some(Gateway::in_home(&home).await) } else { None };
        std::fs::write(home.path().join("config.yaml"), "gateway:\n  prot: 5\n  port: many\n").expect("writes");
        let check = run(&home, &["config", "check"]).await;
        assert_eq!(check.code, Some(78), "{}", check.stderr);
        for words in [
            "config.yaml:2:3: warning: gateway.prot: `prot` is not known here and does nothing; did you mean `port`?",
            "config.yaml:3:9: error: gateway.port: must be a whole number, and this is text\n  3 |   port: many\n    |         ^\n",
            "error: the configuration has an error.",
        ] {
            assert!(check.stderr.contains(words), "{words}\n{}", check.stderr);
        }
        let check = run(&home, &["config", "check", "--json"]).await;
        let error = &check.json()["error"];
        assert_eq!((check.code, &error["code"]), (Some(78), &json!("CONFIG")));
        assert_eq!(error["details"]["issues"][1]["snippet"], "  port: many");

        let set = run(&home, &["config", "set", "cron.enabled", "false"]).await;
        assert_eq!(set.code, Some(78), "{}", set.stderr);
        assert!(set.stderr.contains("must be a whole number"), "{}", set.stderr);
        let set = run(&home, &["config", "set", "gateway.prot", "false"]).await;
        assert_eq!(set.code, Some(78), "{}", set.stderr);
        std::fs::write(home.path().join("config.yaml"), "gateway: {\n").expect("writes");
        let set = run(&home, &["config", "set", "cron.enabled", "false"]).await;
        assert_eq!(set.code, Some(78), "{}", set.stderr);
        assert!(set.stderr.contains("line 1, column 10"), "{}", set.stderr);
        assert_eq!(run(&home, &["config", "get", "no.such.key"]).await.code, Some(1));
        assert_eq!(run(&home, &["config", "restore", "0"]).await.code, Some(1));
        assert_eq!(run(&home, &["config", "patch", "[]"]).await.code, Some(2));
        drop(gateway);
    }
}

/// Without a home there are the defaults, and the first change makes file and home.
#[tokio::test]
async fn from_nothing() {
    let home = Home::new();
    assert_eq!(run(&home, &["config", "get", "gateway.port"]).await.stdout, "18789\n");
    assert_eq!(run(&home, &["config", "check"]).await.code, Some(0));
    assert!(!home.path().exists(), "looking makes nothing");
    assert_eq!(run(&home, &["config", "set", "models.detect", "false"]).await.code, Some(0));
    let text = std::fs::read_to_string(home.path().join("config.yaml")).expect("is there");
    assert!(
        text.starts_with("# SimpleClaw's configuration.") && text.ends_with("models:\n  detect: false\n"),
        "{text}"
    );
}
