//! Secrets go in, are used, and never come out (config.md; protocol.md 4).

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use simpleclaw_tests::canary::{Canaries, holding};
use simpleclaw_tests::fakes::{KEY, MODEL, Model};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::raw::is_terminal;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::clients::cli::run;
use crate::operations::backup::unpack;

const USED_IN: &str = "/models/providers/fake/apiKey";

/// A provider whose key is the secret `model`.
fn config(model: &Model) -> String {
    model.config("").replace(KEY, "{secret: model}")
}

/// Asks the provider in a session of its own; the last event of the run.
pub async fn ask(client: &mut RawClient, key: &str) -> Value {
    let model = format!("fake/{MODEL}");
    let session = format!("agent:main:{key}");
    let params = json!({ "sessionKey": session, "message": "hi", "idempotencyKey": key, "model": model });
    client.ok("chat.send", params).await;
    client.run_to_end(key).await.pop().expect("an end")
}

/// Without its secret a provider says which command sets it; set, it works at once and after a crash; removed, no more.
#[tokio::test]
async fn a_provider_follows_its_secret() {
    for encoding in Encoding::ALL {
        let model = Model::start().await;
        let home = Home::with_config(&config(&model));
        let gateway = Gateway::in_home(&home).await;
        let mut client = gateway.connect(encoding).await;
        let missing = json!({ "name": "model", "usedIn": [USED_IN] });
        let list = client.ok("secrets.list", json!({})).await;
        assert_eq!(list, json!({ "secrets": [missing], "place": "file", "problems": [] }));
        let end = ask(&mut client, "before").await;
        assert_eq!(end["state"], "error");
        let words = end["error"]["message"].as_str().expect("words");
        assert!(words.contains("there is no secret `model`; run `simpleclaw secrets set model`"), "{words}");

        let set = client.ok("secrets.set", json!({ "name": "model", "value": KEY })).await;
        assert_eq!(set, json!({ "name": "model", "place": "file", "usedIn": [USED_IN] }));
        client.event_named("models.changed").await;
        assert_eq!(ask(&mut client, "with").await["state"], "final");
        let health = client.ok("health", json!({ "refresh": true })).await;
        assert_eq!(health["subsystems"]["models"]["state"], "ok");
        let file = home.path().join("secrets.yaml");
        let mode = file.metadata().expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let gateway = Gateway::in_home(&gateway.crash().await).await;
        let mut client = gateway.connect(encoding).await;
        assert_eq!(ask(&mut client, "again").await["state"], "final");
        let removed = client.ok("secrets.remove", json!({ "name": "model" })).await;
        assert_eq!(removed, json!({ "name": "model", "usedIn": [USED_IN] }));
        assert_eq!(ask(&mut client, "after").await["state"], "error");
        assert_eq!(client.err("secrets.remove", json!({ "name": "model" })).await["code"], "NOT_FOUND");
        assert!(!std::fs::read_to_string(&file).expect("is there").contains(KEY));
    }
}

/// What is wrong is said with the command that mends it, in the list and in the diagnostics, and nothing is changed.
#[tokio::test]
async fn an_open_file_is_refused_with_the_command() {
    let home = Home::with_config("models: {detect: false}\n");
    let file = home.path().join("secrets.yaml");
    std::fs::write(&file, "work: some-secret\n").expect("writes");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("sets");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let mends = format!("run `chmod 600 {}`", file.display());
    let list = client.ok("secrets.list", json!({})).await;
    assert!(list["problems"][0].as_str().expect("words").contains(&mends), "{list}");
    let diagnostics = client.ok("diagnostics.list", json!({})).await;
    assert!(diagnostics.to_string().contains("secrets.bad_file"), "{diagnostics}");
    let refused = client.err("secrets.set", json!({ "name": "other", "value": "other-secret" })).await;
    assert!(refused["message"].as_str().expect("words").contains(&mends), "{refused}");
    assert_eq!(refused["code"], "UNAVAILABLE");
    assert_eq!(std::fs::read_to_string(&file).expect("is there"), "work: some-secret\n");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets");
    client.ok("secrets.set", json!({ "name": "other", "value": "other-secret" })).await;
    let text = std::fs::read_to_string(&file).expect("is there");
    assert_eq!(text, "work: some-secret\nother: \"other-secret\"\n");
}

/// What is no name or no secret is refused without a word of it.
#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        let long = "hunter2-".repeat(10_000);
        for (name, value, code, path) in [
            ("work", json!("hunter2-\u{0}"), "INVALID_REQUEST", "/value"),
            ("work", json!(" \n"), "INVALID_REQUEST", "/value"),
            ("work", json!(["hunter2-"]), "INVALID_REQUEST", "/value"),
            ("work", json!({ "hunter2-": 1 }), "INVALID_REQUEST", "/value"),
            ("work", json!(long), "INVALID_REQUEST", "/value"),
            ("work", json!("ü".repeat(40_000)), "TOO_LARGE", "/value"),
            ("Hunter2-", json!("some-secret"), "INVALID_REQUEST", "/name"),
        ] {
            let error = client.err("secrets.set", json!({ "name": name, "value": value })).await;
            assert_eq!((&error["code"], &error["details"]["issues"][0]["path"]), (&json!(code), &json!(path)));
            assert!(!error.to_string().to_lowercase().contains("hunter2"), "{error}");
        }
    }
    assert!(!gateway.home.path().join("secrets.yaml").exists());
}

/// The command takes it from a pipe, shows where it went, and never takes it as an argument.
#[tokio::test]
async fn the_command_line() {
    let gateway = Gateway::start().await;
    let run = |arguments: &[&str], input: &str| {
        let mut command = gateway.home.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, input) = (command.spawn().expect("starts"), input.to_owned());
        tokio::task::spawn_blocking(move || {
            child.stdin.take().expect("is piped").write_all(input.as_bytes()).expect("takes it");
            let output = child.wait_with_output().expect("ends");
            let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
            (output.status.code(), text(output.stdout), text(output.stderr))
        })
    };
    let (code, stdout, stderr) = run(&["secrets", "set", "work"], "some-secret\n").await.expect("a thread");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("work is kept in the file secrets.yaml."), "{stdout}");
    let text = std::fs::read_to_string(gateway.home.path().join("secrets.yaml")).expect("is there");
    assert!(text.ends_with("\nwork: \"some-secret\"\n"), "{text}");
    let (code, stdout, _) = run(&["secrets", "list", "--json"], "").await.expect("a thread");
    let list: Value = serde_json::from_str(&stdout).expect("JSON");
    let row = json!({ "name": "work", "place": "file", "usedIn": [] });
    assert_eq!((code, list), (Some(0), json!({ "secrets": [row], "place": "file", "problems": [] })));
    for (arguments, input, code, words) in [
        (&["secrets", "set", "work", "other-secret"][..], "", 2, "not given as an argument"),
        (&["secrets", "set", "work"], "\n", 2, "no secret was given"),
        (&["secrets", "set", "Work"], "other-secret", 1, "1 to 64 of a-z"),
        (&["secrets", "remove", "other"], "", 1, "there is no secret `other`"),
    ] {
        let (ended, stdout, stderr) = run(arguments, input).await.expect("a thread");
        assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words) && !stderr.contains("other-secret"), "{arguments:?}: {stderr}");
    }
    let (code, stdout, _) = run(&["secrets", "remove", "work"], "").await.expect("a thread");
    assert_eq!((code, stdout.as_str()), (Some(0), "work is forgotten.\n"));
}

/// A key that is moved is nowhere but where secrets are kept: not in the file, not in the last good one, not in a former
/// version, in no answer. It is used as before, and whoever goes back gets its name.
#[tokio::test]
async fn a_moved_secret_is_nowhere_else() {
    let model = Model::start().await;
    let key = format!("apiKey: {KEY}");
    let config = model.config("# the end\n").replace(&key, &format!("{key}  # of May"));
    let start = format!("# mine; once it was {KEY}\n{config}");
    let home = Home::with_config(&start);
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    for seconds in [100, 200, 300] {
        client.ok("config.set", json!({ "path": "runs.idleSeconds", "value": seconds })).await;
    }
    let mut seen = client.ok("config.history", json!({})).await.to_string();
    assert_eq!(holding(&home.path(), KEY).len(), 5, "the file, the last good one, three versions");

    let moved = run(&home, &["secrets", "move-from-config", "--json"]).await;
    assert_eq!(moved.code, Some(0), "{}{}", moved.stdout, moved.stderr);
    assert_eq!(moved.json(), json!({ "moved": [{ "path": USED_IN, "name": "fake" }], "stillIn": [] }));
    assert_eq!(holding(&home.path(), KEY), ["secrets.yaml"]);
    let text = || std::fs::read_to_string(home.path().join("config.yaml")).expect("is there");
    let as_it_was = |text: &str| {
        let mut lines = text.lines();
        for line in start.lines().filter(|line| !line.is_empty() && !line.contains(KEY)) {
            assert!(lines.any(|now| now == line), "{line:?} is lost, or not where it was:\n{text}");
        }
        assert!(text.starts_with("# mine; once it was __masked__\n") && text.contains("# of May"), "{text}");
    };
    as_it_was(&text());
    assert_eq!(ask(&mut client, "moved").await["state"], "final");
    for entry in std::fs::read_dir(home.path().join("config.history")).expect("is there").flatten() {
        assert_eq!(entry.metadata().expect("is there").permissions().mode() & 0o777, 0o600);
    }
    for (name, mode) in [("config.history", 0o700), ("state/config.last-good.yaml", 0o600)] {
        let about = home.path().join(name).metadata().expect("is there");
        assert_eq!(about.permissions().mode() & 0o777, mode, "{name}");
    }

    let history = client.ok("config.history", json!({})).await;
    seen.push_str(&history.to_string());
    let versions = history["versions"].as_array().expect("a list");
    assert_eq!(versions.len(), 4);
    for version in versions {
        seen.push_str(&client.ok("config.restore", json!({ "id": version["id"] })).await.to_string());
        let now = client.ok("config.get", json!({ "path": USED_IN })).await;
        assert_eq!(now["value"], json!({ "secret": "fake" }));
        assert_eq!(holding(&home.path(), KEY), ["secrets.yaml"]);
        as_it_was(&text());
    }
    assert!(!text().contains("idleSeconds"), "the first version is the one before the first change");
    assert_eq!(ask(&mut client, "back").await["state"], "final");
    let gateway = Gateway::in_home(&gateway.crash().await).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    assert_eq!(ask(&mut client, "again").await["state"], "final");
    assert_eq!(holding(&home.path(), KEY), ["secrets.yaml"]);
    seen.push_str(&client.ok("config.get", json!({})).await.to_string());
    assert!(!format!("{seen}{}{}{}", moved.stdout, moved.stderr, gateway.all_output()).contains(KEY));
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A reference to another secret is no move: the text is all there is of the former one, and can be gone back to. One to
/// the same secret is, whoever writes it.
#[tokio::test]
async fn only_what_is_kept_elsewhere_leaves_the_former_versions() {
    for encoding in Encoding::ALL {
        let model = Model::start().await;
        let start = model.config("");
        let gateway = Gateway::with_config(&start).await;
        let home = &gateway.home;
        let mut client = gateway.connect(encoding).await;
        client.ok("secrets.set", json!({ "name": "other", "value": "another-key" })).await;
        client.ok("config.set", json!({ "path": USED_IN, "value": { "secret": "other" } })).await;
        let id = client.ok("config.history", json!({})).await["versions"][0]["id"].clone();
        let version = format!("config.history/{}.yaml", id.as_str().expect("an id"));
        assert_eq!(holding(&home.path(), KEY), [version.as_str()]);
        let told = run(home, &["secrets", "move-from-config", "--json"]).await;
        assert_eq!(told.json(), json!({ "moved": [], "stillIn": [version] }), "{}", told.stderr);
        let told = run(home, &["secrets", "move-from-config"]).await.stdout;
        assert!(told.contains(&format!("Secrets still stand as text in {version}.")), "{told}");
        client.ok("config.restore", json!({ "id": id })).await;
        assert_eq!(std::fs::read_to_string(home.path().join("config.yaml")).expect("is there"), start);

        client.ok("secrets.set", json!({ "name": "fake", "value": KEY })).await;
        let patch = json!({ "models": { "providers": { "fake": { "apiKey": { "secret": "fake" } } } } });
        client.ok("config.patch", json!({ "patch": patch, "dryRun": true })).await;
        assert!(holding(&home.path(), KEY).contains(&version), "a dry run moves nothing");
        client.ok("config.patch", json!({ "patch": patch })).await;
        assert_eq!(holding(&home.path(), KEY), ["secrets.yaml"]);
        assert_eq!(ask(&mut client, "moved").await["state"], "final");
    }
}

/// A provider that is asked with a planted key; the model server repeats the key in its refusal.
fn provider(model: &Model, id: &str, key: &str) -> String {
    format!(
        "    {id}: {{api: openai, baseUrl: 'http://127.0.0.1:{}/v1', apiKey: {key}, models: [{{id: m}}]}}\n",
        model.port
    )
}

/// Every answer and event of a connection, as text.
#[derive(Default)]
struct Seen(String);

impl Seen {
    async fn call(&mut self, client: &mut RawClient, method: &str, params: Value) -> Value {
        let answer = client.call(method, params).await;
        self.0.push_str(&format!("{answer}\n"));
        answer
    }

    async fn until_the_end_of(&mut self, client: &mut RawClient, run: &str) {
        loop {
            let event = client.event().await;
            self.0.push_str(&format!("{event}\n"));
            if is_terminal(&event) && event["runId"] == run {
                return;
            }
        }
    }
}

/// Forty planted secrets and some that are refused, all of them used: found in no answer, no event, no log, no
/// database, no list of the key store's names, no command line. Only where they were put.
#[tokio::test]
async fn planted_secrets_are_found_nowhere() {
    let mut canaries = Canaries::default();
    let model = Model::start().await;
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    let mut config = "models:\n  detect: false\n  providers:\n".to_owned();
    let (mut ids, mut by_hand, mut later, mut files) = (vec![], String::new(), vec![], vec![]);
    for n in 0..8 {
        let mut add = |kind: &str, key: String| {
            let id = format!("{kind}{n}");
            config.push_str(&provider(&model, &id, &key));
            ids.push(id);
        };
        add("literal", canaries.plant(format!("text {n} in the configuration")));
        home.set_variable(&format!("CANARY_{n}"), &canaries.plant(format!("variable {n}")));
        add("env", format!("{{env: CANARY_{n}}}"));
        let file = home.path().join(format!("key{n}"));
        std::fs::write(&file, canaries.plant(format!("file {n}"))).expect("writes");
        files.push(file);
        add("file", format!("{{file: key{n}}}"));
        by_hand.push_str(&format!("hand{n}: {}\n", canaries.plant(format!("secrets.yaml {n}"))));
        add("hand", format!("{{secret: hand{n}}}"));
        later.push((format!("set{n}"), canaries.plant(format!("secrets.set {n}"))));
        add("set", format!("{{secret: set{n}}}"));
    }
    config.push_str(&format!("channels: {{telegram: {{token: {}}}}}\n", canaries.plant("a channel's token")));
    assert!(canaries.len() > 40);
    let secrets = home.path().join("secrets.yaml");
    std::fs::write(home.path().join("config.yaml"), config).expect("writes");
    std::fs::write(&secrets, by_hand).expect("writes");
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).expect("sets");

    let mut seen = Seen::default();
    let mut gateway = Gateway::in_home(&home).await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        seen.0.push_str(&client.hello.to_string());
        for (name, value) in &later {
            let params = json!({ "name": name, "value": value, "idempotencyKey": name });
            assert_eq!(seen.call(&mut client, "secrets.set", params).await["ok"], true);
        }
        refuse(&mut canaries, &mut client, &mut seen).await;
        by_pipe(&mut canaries, &gateway);
        for id in &ids {
            let run = format!("{id}-{encoding:?}");
            let params = json!({
                "sessionKey": format!("agent:main:{id}"), "message": "hi", "idempotencyKey": run,
                "model": format!("{id}/m"),
            });
            assert_eq!(seen.call(&mut client, "chat.send", params).await["ok"], true, "{id}");
            seen.until_the_end_of(&mut client, &run).await;
        }
        let idle = json!({ "path": "runs.idleSeconds", "value": ids.len() + encoding as usize });
        assert_eq!(seen.call(&mut client, "config.set", idle).await["ok"], true);
        for method in
            ["secrets.list", "config.get", "config.history", "config.schema", "models.list", "agents.list", "status"]
        {
            seen.call(&mut client, method, json!({})).await;
        }
        seen.call(&mut client, "health", json!({ "refresh": true })).await;
        for method in ["logs.tail", "diagnostics.list"] {
            seen.call(&mut client, method, json!({ "limit": 1000 })).await;
        }
        seen.call(&mut client, "chat.history", json!({ "sessionKey": "agent:main:literal0" })).await;
        seen.call(&mut client, "secrets.remove", json!({ "name": "piped" })).await;
        // What is told after a crash is looked at as well.
        gateway = Gateway::in_home(&gateway.crash().await).await;
    }
    // The keys arrived: the server saw each one, and did not know it.
    let faults = model.faults().join("\n");
    assert_eq!(model.faults().len(), 2 * ids.len());
    assert_eq!(canaries.found_in(faults.as_bytes()).len(), ids.len());

    canaries.absent_from("an answer or an event", seen.0.as_bytes());
    canaries.absent_from("standard error", gateway.home.stderr().as_bytes());
    canaries.absent_from_command_lines();
    let meant = ["config.yaml", "secrets.yaml", "state/config.last-good.yaml"].map(|name| home.path().join(name));
    let versions = std::fs::read_dir(home.path().join("config.history")).expect("is there").flatten();
    let versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    assert_eq!(versions.len(), 2);
    canaries.absent_below(&home.path(), &[files.clone(), meant.to_vec(), versions].concat::<PathBuf>());
    without_a_trace(&canaries, &home, &[files, vec![secrets]].concat::<PathBuf>()).await;
}

/// A backup without secrets has none of them, and once those of the configuration are moved, no file but these has.
async fn without_a_trace(canaries: &Canaries, home: &Home, meant: &[PathBuf]) {
    let file = home.path().with_file_name("backup.tar.gz");
    let made = run(home, &["backup", "create", file.to_str().expect("UTF-8")]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    canaries.absent_below(&unpack(&file), &[]);
    let moved = run(home, &["secrets", "move-from-config", "--json"]).await;
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    let value = moved.json();
    assert_eq!((value["moved"].as_array().map(Vec::len), &value["stillIn"]), (Some(9), &json!([])), "{value}");
    for ended in [made, moved] {
        canaries.absent_from("what a command says", format!("{}{}", ended.stdout, ended.stderr).as_bytes());
    }
    canaries.absent_below(&home.path(), meant);
}

/// Requests that are refused, with a secret where it does not belong.
async fn refuse(canaries: &mut Canaries, client: &mut RawClient, seen: &mut Seen) {
    let canary = canaries.plant("a refused request");
    for params in [
        json!({ "name": "work", "value": [canary] }),
        json!({ "name": "work", "value": format!("{canary}\u{0}") }),
        json!({ "name": "work", "value": canary.repeat(2_000) }),
        json!({ "name": "work", "valeu": canary }),
        json!({ "name": canary.to_uppercase(), "value": canary }),
        json!({ "name": { "x": canary }, "value": canary }),
        json!({ "name": "set0", "value": canary, "idempotencyKey": "set0" }),
        json!(canary),
        json!([canary]),
    ] {
        assert_eq!(seen.call(client, "secrets.set", params).await["ok"], false);
    }
    seen.call(client, "health", json!({})).await;
}

/// The command that sets one, looked at while it waits for its input.
fn by_pipe(canaries: &mut Canaries, gateway: &Gateway) {
    let canary = canaries.plant("a pipe");
    let mut command = gateway.home.command();
    command.args(["secrets", "set", "piped", "--json"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut input = child.stdin.take().expect("is piped");
    input.write_all(canary.as_bytes()).expect("takes it");
    canaries.absent_from_command_lines();
    drop(input);
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success(), "{output:?}");
    canaries.absent_from("what the command says", &[output.stdout, output.stderr].concat());
}
