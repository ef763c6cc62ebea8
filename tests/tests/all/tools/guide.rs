//! The built-in guide shows tools and a question without any model, through the same calls and the same decisions as a
//! model's.

use serde_json::{Value, json};
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use super::{Told, follow};
use crate::chat::send;

/// Asks the guide for it, and answers its question with `decision`; without one, no question may come.
async fn shown(client: &mut RawClient, id: &str, decision: Option<&str>) -> Told {
    client.ok("chat.send", send("main", "Show me an approval", id)).await;
    let told = follow(client, id, decision).await;
    assert_eq!(told.end["state"], "final", "{}", told.end);
    told
}

fn called(told: &Told) -> Vec<&Value> {
    told.phases.iter().filter(|phase| phase["phase"] == "start").map(|phase| &phase["name"]).collect()
}

fn last_words(told: &Told) -> &str {
    told.end["message"]["content"][0]["text"].as_str().expect("words")
}

/// One call that needs no question, one that does, and words about what really happened; and the same again in the same
/// session, whose history has the calls of before.
#[tokio::test]
async fn it_shows_a_real_question() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    for (id, decision, words) in [
        ("no", "deny", "**Nothing ran: the question was denied.**"),
        ("yes", "allow-once", "**It ran.**"),
        ("no-again", "deny", "**Nothing ran: the question was denied.**"),
    ] {
        let told = shown(&mut client, id, Some(decision)).await;
        assert_eq!(called(&told), ["list", "exec"], "{id}");
        let [asked] = told.asked.as_slice() else { panic!("{id}: {:?}", told.asked) };
        assert_eq!(asked["action"]["argv"], json!(["echo", "You allowed this."]));
        assert_eq!(asked["action"]["network"], true);
        let results = told.results();
        assert!(!results[0].0, "{id}: {results:?}");
        assert_eq!(results[1].0, decision == "deny", "{id}: {results:?}");
        let said = last_words(&told);
        assert!(said.contains(words) && said.contains("tools.exec.mode"), "{id}: {said}");
        assert_eq!(said.contains("\n> You allowed this.\n"), decision == "allow-once", "{id}: {said}");
    }
}

/// Where the configuration has decided already, it says so, and nobody is asked.
#[tokio::test]
async fn it_says_when_there_is_nothing_to_ask() {
    for (more, calls, words) in [
        ("tools: {exec: {mode: deny}}", 2, "**Nothing ran, and nobody was asked:**"),
        ("tools: {exec: {mode: allowlist}}", 2, "**Nothing ran, and nobody was asked:**"),
        ("tools: {exec: {mode: full}}", 2, "**It ran.**"),
        ("agents: {entries: {main: {name: Claw, tools: {profile: none}}}}", 0, "I cannot show one here"),
    ] {
        let gateway = Gateway::with_config(&format!("models: {{detect: false}}\n{more}\n")).await;
        let mut client = gateway.connect(Encoding::Json).await;
        let told = shown(&mut client, "r", None).await;
        assert_eq!(called(&told).len(), calls, "{more}");
        assert!(last_words(&told).contains(words), "{more}: {}", last_words(&told));
    }
}
