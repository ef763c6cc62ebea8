//! The client examples of README.md, cut out of it and run against a real gateway.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use simpleclaw_tests::{Encoding, Gateway, prepared, within};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout")
}

/// The fenced block that follows `<!-- example: NAME -->`.
fn example(name: &str) -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let marker = format!("<!-- example: {name} -->\n```");
    let (_, rest) = readme.split_once(&marker).unwrap_or_else(|| panic!("no example {name} in README.md"));
    let (_, rest) = rest.split_once('\n').expect("a language");
    rest.split_once("\n```").expect("an end of the block").0.to_owned() + "\n"
}

/// Runs a client and holds what it prints against what the gateway keeps.
async fn check(name: &str, mut command: Command) {
    let gateway = Gateway::start().await;
    command.env("SIMPLECLAW_URL", format!("ws://127.0.0.1:{}", gateway.port));
    command.env("SIMPLECLAW_TOKEN", &gateway.token);
    let run = tokio::task::spawn_blocking(move || command.output());
    let run = within(Duration::from_secs(60), "end of the example", run).await.expect("a thread");
    let Output { status, stdout, stderr } = run.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let (printed, said) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{name} ended with {status}: {printed}{said}");

    let mut client = gateway.connect(Encoding::Json).await;
    let history = client.ok("chat.history", serde_json::json!({ "sessionKey": "main" })).await;
    let [question, answer] = history["messages"].as_array().expect("messages").as_slice() else {
        panic!("{name} left {history}")
    };
    assert_eq!(question["content"][0]["text"], "Hello!");
    let answer = answer["content"][0]["text"].as_str().expect("a text");
    // Windows programs end lines in their own way.
    let printed = printed.replace("\r\n", "\n");
    let (deltas, whole) = printed.split_once("\n---\n").unwrap_or_else(|| panic!("{name} printed {printed:?}"));
    assert_eq!((deltas, whole.trim_end()), (answer, answer.trim_end()), "{name}");
    assert!(answer.len() > 100, "the guide has more to say than {answer:?}");
}

async fn python(name: &str) {
    let mut command = Command::new(prepared("SIMPLECLAW_TEST_PYTHON", "target/venv/bin/python"));
    command.args(["-c", &example(name)]).env("PYTHONIOENCODING", "utf-8");
    check(name, command).await;
}

#[tokio::test]
async fn python_json() {
    python("python-json").await;
}

#[tokio::test]
async fn python_msgpack() {
    python("python-msgpack").await;
}

/// A module is resolved from where its file is, so the file lies beside the packages.
#[tokio::test]
async fn javascript() {
    let folder = prepared("SIMPLECLAW_TEST_NODE", "target/node");
    let file = tempfile::Builder::new().suffix(".mjs").tempfile_in(folder).expect("a file");
    std::fs::write(file.path(), example("javascript")).expect("the example");
    let mut command = Command::new("node");
    command.arg(file.path());
    check("javascript", command).await;
}

/// The block is the example of the client crate, and cargo has built that one.
#[tokio::test]
async fn rust() {
    let source = std::fs::read_to_string(root().join("tests/examples/readme.rs")).expect("the example");
    assert_eq!(example("rust"), source, "README.md and tests/examples/readme.rs differ");
    let test = std::env::current_exe().expect("the test's own path");
    let built = test.parent().and_then(Path::parent).expect("target/<profile>").join("examples");
    let program = built.join(format!("readme{}", std::env::consts::EXE_SUFFIX));
    check("rust", Command::new(program)).await;
}
