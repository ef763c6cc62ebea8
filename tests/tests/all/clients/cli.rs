//! The command line as a black box: what it prints, and the code that it ends with.

use std::io::Write as _;
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, within};

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {:?} {:?}", self.stdout, self.stderr))
    }
}

pub async fn run(home: &Home, arguments: &[&str]) -> Ended {
    let mut command = home.command();
    command.args(arguments);
    finish(command).await
}

pub async fn finish(mut command: Command) -> Ended {
    let ended = tokio::task::spawn_blocking(move || command.output());
    let ended = within(Duration::from_secs(30), "end of the command", ended).await.expect("a thread");
    let Output { status, stdout, stderr } = ended.expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Finds the running gateway by its home; `--json` prints the payload and nothing else.
#[tokio::test]
async fn status_health_and_call() {
    let gateway = Gateway::start().await;
    let status = run(&gateway.home, &["status", "--json"]).await;
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert_eq!(status.json()["pid"], gateway.pid);
    let status = run(&gateway.home, &["status"]).await;
    assert_eq!(status.code, Some(0));
    assert!(status.stdout.contains(&gateway.pid.to_string()), "{}", status.stdout);

    let health = run(&gateway.home, &["health", "--refresh", "--json"]).await;
    assert_eq!((health.code, &health.json()["ok"]), (Some(0), &json!(true)));
    let health = run(&gateway.home, &["health"]).await;
    assert_eq!(health.code, Some(0));
    assert!(health.stdout.contains("store"), "{}", health.stdout);

    let mut client = gateway.connect(Encoding::Json).await;
    let agents = run(&gateway.home, &["call", "agents.list", "--json"]).await;
    assert_eq!((agents.code, agents.json()), (Some(0), client.ok("agents.list", json!({})).await));
    let history = run(&gateway.home, &["call", "chat.history", r#"{"sessionKey":"main"}"#]).await;
    assert_eq!((history.code, &history.json()["messages"]), (Some(0), &json!([])));
}

/// The human form prints the answer alone, the other one every event of the run on its own line.
#[tokio::test]
async fn one_message() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config("")).await;
    let said = run(&gateway.home, &["chat", "-m", "Hello!"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "Hello.\n"), "{}", said.stderr);
    let said = run(&gateway.home, &["chat", "-m", "Hello!", "--session", "agent:main:other", "--json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let events: Vec<Value> = said.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let states: Vec<&str> = events.iter().filter_map(|event| event["state"].as_str()).collect();
    assert_eq!(states, ["started", "delta", "delta", "final"]);
    assert!(events.iter().all(|event| event["sessionKey"] == "agent:main:other"), "{events:?}");
    let deltas: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!((deltas.as_str(), &events[3]["message"]["content"][0]["text"]), ("Hello.", &json!("Hello.")));

    model.script([Answer::status(401, r#"{"error":{"message":"no such key"}}"#)]);
    let failed = run(&gateway.home, &["chat", "-m", "Hello!"]).await;
    assert_eq!((failed.code, failed.stdout.as_str()), (Some(1), ""));
    assert!(failed.stderr.contains("401"), "{}", failed.stderr);
    model.script([Answer::Stream(vec![Step::Delta("Hel".into()), Step::Break])]);
    let failed = run(&gateway.home, &["chat", "-m", "Hello!", "--json"]).await;
    assert_eq!(failed.code, Some(1));
    let last: Value = serde_json::from_str(failed.stdout.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["state"], &last["error"]["code"]), (&json!("error"), &json!("PROVIDER_ERROR")));
}

/// What the built-in guide tells people without a window to type and to write is taken as it stands.
#[tokio::test]
async fn what_the_guide_says_can_be_typed() {
    let gateway = Gateway::start().await;
    let said = run(&gateway.home, &["chat", "-m", "How do I connect a model?"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let block = |language: &str| {
        let rest = said.stdout.split_once(&format!("```{language}\n")).map(|(_, rest)| rest.to_owned());
        let rest = rest.unwrap_or_else(|| panic!("no {language} in {}", said.stdout));
        rest.split("```").next().unwrap_or_default().to_owned()
    };
    let commands = block("sh");
    let [secret, provider] = commands.lines().collect::<Vec<_>>()[..] else { panic!("not two commands: {commands}") };

    let (key, mut typed) = std::io::pipe().expect("a pipe");
    typed.write_all(b"sk-typed\n").expect("takes it");
    drop(typed);
    let mut command = gateway.home.command();
    command.args(secret.split(' ').skip(1)).stdin(key);
    let kept = finish(command).await;
    assert_eq!(kept.code, Some(0), "{}", kept.stderr);
    assert!(kept.stdout.contains("{secret: anthropic}"), "{}", kept.stdout);

    let (words, value) = provider.split_once(" '").expect("a value in quotes");
    let mut command = gateway.home.command();
    // Only tried: a provider that is there is asked for its models.
    command.args(words.split(' ').skip(1)).args([value.trim_end_matches('\''), "--dry-run", "--json"]);
    let tried = finish(command).await;
    assert_eq!(tried.code, Some(0), "{} {}", tried.stdout, tried.stderr);
    assert_eq!(tried.json()["value"]["apiKey"], json!({ "secret": "anthropic" }));

    // The file says what the command would have written.
    let home = Home::with_config(&block("yaml"));
    let check = run(&home, &["config", "check", "--json"]).await;
    assert_eq!((check.code, &check.json()["valid"]), (Some(0), &json!(true)), "{}", check.stderr);
    let written = run(&home, &["config", "get", "models.providers.anthropic", "--json"]).await;
    assert_eq!(written.json(), tried.json()["value"]);
}

/// What needs no gateway.
#[tokio::test]
async fn token_completions_and_help() {
    let gateway = Gateway::start().await;
    let token = run(&gateway.home, &["token"]).await;
    assert_eq!((token.code, token.stdout), (Some(0), format!("{}\n", gateway.token)));
    let token = run(&gateway.home, &["token", "--json"]).await;
    assert_eq!(token.json(), json!({ "token": gateway.token }));
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&home, &["completions", shell]).await;
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("gateway") && script.stdout.contains("completions"), "{}", script.stdout);
    }
    let version = run(&home, &["--version"]).await;
    assert_eq!((version.code, version.stdout.as_str()), (Some(0), "simpleclaw 0.1.0\n"));
    assert_eq!(run(&home, &["--help"]).await.code, Some(0));
    assert!(!home.path().exists(), "asking makes no home");
}

/// One exit code for each kind of failure; under `--json` the error is on standard output.
#[tokio::test]
async fn exit_codes() {
    let gateway = Gateway::start().await;
    let home = &gateway.home;
    let wrong = home.path().join("wrong-token");
    std::fs::write(&wrong, "0".repeat(64)).expect("a file");
    let wrong = wrong.to_str().expect("UTF-8");
    let elsewhere = "ws://127.0.0.1:9";
    let history = r#"{"sessionKey":"agent:main:none"}"#;
    for (arguments, code, word) in [
        (&["call", "chat.history", history][..], 1, "NOT_FOUND"),
        (&["call", "no.such.method"], 1, "INVALID_REQUEST"),
        (&["call", "chat.history", "{}"], 1, "INVALID_REQUEST"),
        (&["call", "chat.history", "not json"], 2, "USAGE"),
        (&["no-such-command"], 2, "USAGE"),
        (&["status", "--url", elsewhere], 3, "UNREACHABLE"),
        (&["chat", "-m", "Hello!", "--url", elsewhere], 3, "UNREACHABLE"),
        (&["status", "--token-file", wrong], 4, "UNAUTHENTICATED"),
        (&["gateway", "run", "--port", "0"], 75, "LOCKED"),
    ] {
        let human = run(home, arguments).await;
        assert_eq!(human.code, Some(code), "{arguments:?}: {}{}", human.stdout, human.stderr);
        assert!(human.stdout.is_empty() && !human.stderr.is_empty(), "{arguments:?}: words belong on standard error");
        let json = run(home, &[arguments, &["--json"]].concat()).await;
        assert_eq!((json.code, &json.json()["error"]["code"]), (Some(code), &json!(word)), "{arguments:?}");
    }
    assert_eq!(run(&Home::new(), &["status"]).await.code, Some(3), "no gateway was ever there");

    let port = gateway.port.to_string();
    let taken = run(&Home::new(), &["gateway", "run", "--port", &port, "--json"]).await;
    assert_eq!((taken.code, &taken.json()["error"]["code"]), (Some(75), &json!("PORT_TAKEN")));
    let broken = Home::with_config("gateway: {port: many}\n");
    let failed = run(&broken, &["gateway", "run", "--json"]).await;
    assert_eq!((failed.code, &failed.json()["error"]["code"]), (Some(78), &json!("CONFIG")));
}

/// SIGTERM is a wish, not a failure; Ctrl-C as well, for the gateway.
#[tokio::test]
async fn signals_end_the_gateway_with_0() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut gateway = Gateway::start().await;
        let mut client = gateway.connect(Encoding::Json).await;
        gateway.signal(signal);
        assert_eq!(client.closed().await, Some(1013), "{signal}");
        assert_eq!(gateway.exited().await.code(), Some(0), "{signal}");
    }
}
