//! What a person reads where a provider fails, failure by failure: `docs/provider-errors.md` is this test's output, and
//! stays true by it. With `SIMPLECLAW_WRITE_DOCS=1` the file is written instead of compared.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Model, Step};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::send;

const TOP: &str = "\
# When a model provider fails

Written by the test `provider_errors`; do not edit. `work` is the provider and `scripted` the model that failed here.

Every message ends in one visible state: an answer, or words that say who failed, why, and what to do. The error's
`provider.kind` and `retryable` say the same to programs.

Where an agent has `fallbacks`, the next one answers in the same run, as long as nothing was said yet. Who failed is
then asked after the others for a while: 5 minutes where the key was refused, 10 where there is no credit, 30 seconds
after too many requests or no answer in time, 15 after anything else that was the provider's fault; twice as long each
time it fails again, 10 minutes at most; and exactly as long as a `Retry-After` asks. It is asked last, not never.

";

/// How the failing provider behaves, and what it answers each call with.
fn cases() -> Vec<(&'static str, Vec<Answer>)> {
    let text = |text: &str| Step::Delta(text.to_owned());
    let one = |answer: Answer| vec![answer];
    let said = |status: u16, words: &str| Answer::Whole {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: json!({ "error": { "message": words } }).to_string(),
    };
    let with = |status: u16, header: (&str, &str), body: &str| Answer::Whole {
        status,
        headers: vec![(header.0.to_owned(), header.1.to_owned())],
        body: body.to_owned(),
    };
    let filtered = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "content_filter" }] });
    let quota = json!({ "error": { "message": "You exceeded your quota", "code": "insufficient_quota" } });
    vec![
        ("401: the key is wrong", one(said(401, "Incorrect API key provided"))),
        ("403: the key may not do this", one(said(403, "This key has no access to the model"))),
        ("404: no such model", one(said(404, "The model does not exist"))),
        ("429 with `Retry-After: 7`", one(with(429, ("retry-after", "7"), "slow down"))),
        ("429 without", one(Answer::status(429, "slow down"))),
        ("429: no credit left", one(Answer::status(429, &quota.to_string()))),
        // Asked again with half of the conversation each time, down to the smallest.
        ("400: the conversation is too long", vec![said(400, "The maximum context length is 100 tokens"); 6]),
        ("500 with a web page", one(Answer::status(500, "<html>oops</html>"))),
        ("a web page instead of an answer", one(with(200, ("content-type", "text/html"), "<html>hello</html>"))),
        ("bytes that are no answer", one(Answer::status(200, "\u{0}\u{1}garbage"))),
        ("malformed JSON in its stream", one(Answer::Stream(vec![Step::Raw("{not json".into())]))),
        (
            "an error in its stream",
            one(Answer::Stream(vec![Step::Raw(json!({ "error": { "message": "Overloaded" } }).to_string())])),
        ),
        ("nothing, and closes", one(Answer::status(200, ""))),
        ("an answer without a word", one(Answer::deltas(Vec::<String>::new()))),
        (
            "an answer that its filter held back",
            one(Answer::Stream(vec![Step::Raw(filtered.to_string()), Step::Raw("[DONE]".into())])),
        ),
        ("no byte in `runs.firstByteSeconds`", one(Answer::Stream(vec![Step::Hang]))),
        ("silence in the middle for `runs.idleSeconds`", one(Answer::Stream(vec![text("Half"), Step::Hang]))),
        (
            "breaks off in the middle",
            one(Answer::Stream(vec![text("Half"), Step::Pause(Duration::from_millis(50)), Step::Break])),
        ),
        ("ends without its end marker", one(Answer::Stream(vec![text("Half")]))),
        ("an answer without end", one(Answer::Stream(vec![text(&"x".repeat(64 * 1024)); 40]))),
        (
            "a tool call that is no JSON, then an answer",
            vec![Answer::tool_call("x", "{\"a\":"), Answer::deltas(["Well."])],
        ),
        ("tool calls without end", vec![Answer::tool_call("x", "{}"); 32]),
    ]
}

fn config(port: u16, key: &str, more: &str) -> String {
    format!(
        "models:\n  detect: false\n  providers:\n    work: {{api: openai, baseUrl: 'http://127.0.0.1:{port}/v1', \
         apiKey: {key}, models: [{{id: scripted, cost: {{input: 1000, output: 1000}}}}]}}\n{more}\n"
    )
}

/// One row: how the run ended, as the terminal event and the history say it.
async fn row(client: &mut RawClient, name: &str, place: usize) -> String {
    let (key, run) = (format!("agent:main:case-{place}"), format!("run-{place}"));
    client.ok("chat.send", send(&key, "hi", &run)).await;
    let end = client.run_to_end(&run).await.pop().expect("an end");
    let history = client.ok("sessions.get", json!({ "key": key, "messages": 1 })).await;
    let last = &history["messages"][0];
    if end["state"] == "final" {
        assert_eq!(last["status"], "complete", "{name}");
        return format!("| {name} | | | (the answer: {}) |\n", end["message"]["content"][0]["text"]);
    }
    let error = &end["error"];
    assert_eq!((&last["status"], &last["error"]), (&json!("failed"), error), "{name}: {end}");
    let kind = error["provider"]["kind"].as_str().or(error["code"].as_str()).expect("a kind");
    let again = if error["retryable"] == true { "yes" } else { "no" };
    let words = error["message"].as_str().expect("words").replace('|', "\\|");
    format!("| {name} | `{kind}` | {again} | {words} |\n")
}

#[tokio::test]
async fn what_a_person_reads_is_what_the_docs_say() {
    let model = Model::start().await;
    let more = "runs: {firstByteSeconds: 2, idleSeconds: 2}";
    let gateway = Gateway::with_config(&config(model.port, model.key(), more)).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let mut page = String::from(TOP);
    page.push_str("| the provider | kind | may work again | what you read |\n|---|---|---|---|\n");
    for (place, (name, answers)) in cases().into_iter().enumerate() {
        model.script(answers);
        page.push_str(&row(&mut client, name, place).await);
    }
    assert_eq!(model.faults(), Vec::<String>::new());

    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let gateway = Gateway::with_config(&config(port, "none", "")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    page.push_str(&row(&mut client, "does not listen", 0).await);

    let capped = config(model.port, model.key(), "usage: {caps: {dayUsd: 0.01}}");
    let gateway = Gateway::with_config(&capped).await;
    let mut client = gateway.connect(Encoding::Json).await;
    model.script([Answer::counted("Dear.", 7, 3, 0)]);
    client.ok("chat.send", send("main", "hi", "dear")).await;
    client.run_to_end("dear").await;
    page.push_str(&row(&mut client, "is not asked: the cap is reached", 0).await);

    for port in [model.port, port] {
        page = page.replace(&format!("127.0.0.1:{port}"), "127.0.0.1:…");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/provider-errors.md");
    if std::env::var_os("SIMPLECLAW_WRITE_DOCS").is_some() {
        return std::fs::write(&path, page).expect("the page is written");
    }
    let kept = std::fs::read_to_string(&path).expect("docs/provider-errors.md");
    let differs: Vec<(&str, &str)> = page.lines().zip(kept.lines()).filter(|(new, old)| new != old).collect();
    assert!(
        page == kept,
        "docs/provider-errors.md is not what is read now; SIMPLECLAW_WRITE_DOCS=1 writes it. Now and there: {differs:#?}"
    );
}

/// Whoever calls by program finds the same in the answer of a test, and in no other place than its own.
#[tokio::test]
async fn a_test_reads_the_same() {
    let model = Model::start().await;
    let gateway = Gateway::with_config(&config(model.port, model.key(), "")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    for status in [401, 403, 404, 429, 500] {
        model.script([Answer::status(status, "no"), Answer::status(status, "no")]);
        let tested = client.ok("providers.test", json!({ "provider": "work" })).await;
        client.ok("chat.send", send("main", "hi", &status.to_string())).await;
        let end = client.run_to_end(&status.to_string()).await.pop().expect("an end");
        let (test, run) = (&tested["error"], &end["error"]);
        assert_eq!((&tested["ok"], &test["message"]), (&Value::Bool(false), &run["message"]), "{status}");
        assert_eq!((&test["kind"], &test["httpStatus"]), (&run["provider"]["kind"], &run["provider"]["httpStatus"]));
    }
}
