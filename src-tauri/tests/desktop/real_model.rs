//! A real language model in the app's own window. Runs alone.

use std::collections::BTreeSet;

use simpleclaw_tests::real_model::ModelServer;

use super::session::{Session, until};
use super::webdriver::Browser;

const NOTE_LENGTHS: &str = "window.lengths = new Set();
    const note = () => document.querySelectorAll('article.assistant').forEach((e) => lengths.add(e.innerText.length));
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });";

/// Its answer is seen to grow, and what stands there in the end is what the gateway keeps.
#[tokio::test]
async fn streams_in_the_window() {
    let model = ModelServer::start();
    let session = Session::without_config();
    session.configure(&format!("gateway: {{port: 0}}\n{}", model.config()));
    let browser = Browser::start(&session).await;
    browser.type_into("textarea", "Once upon a time").await;
    // The page itself notes how long the answer is whenever it changes: nobody looks often enough from outside.
    browser.run(NOTE_LENGTHS).await;
    browser.click("form:has(textarea) button.primary").await;
    let client = session.client().await;
    let whole = until("the answer is whole", async || {
        let history = client.call_raw("chat.history", serde_json::json!({ "sessionKey": "main" })).await.ok()?;
        let last = history["messages"].as_array()?.last()?.clone();
        (last["role"] == "assistant" && last["status"] == "complete").then_some(last)
    })
    .await;
    assert_eq!(whole["model"], "llama/gemma");
    let seen: BTreeSet<u64> = serde_json::from_value(browser.run("return [...lengths]").await).expect("numbers");
    assert!(seen.len() >= 3, "the answer did not grow in the window: lengths {seen:?}");
    // It is shown rendered, so words are compared.
    let text = whole["content"][0]["text"].as_str().expect("text").to_owned();
    let word = text.split(|c: char| !c.is_alphanumeric()).max_by_key(|word| word.len()).expect("a word").to_owned();
    until("it is shown", async || {
        browser.texts("article.assistant").await.iter().any(|shown| shown.contains(&word)).then_some(())
    })
    .await;
    browser.end().await;
}
