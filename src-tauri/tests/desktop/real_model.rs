//! A real language model in the app's own window. Runs alone.

use std::collections::BTreeSet;

use simpleclaw_tests::real_model::ModelServer;

use super::session::{Session, until};
use super::webdriver::Browser;

/// How long the `nth` answer is whenever the page changes.
const NOTE_LENGTHS: &str = "window.lengths = new Set(); window.nth = 0;
    const note = () => {
        const all = document.querySelectorAll('article.assistant');
        if (all.length === nth) lengths.add(all[nth - 1].innerText.length);
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });";

/// Answers of which one is seen to grow: a small model may stop after a word, and a busy machine show much at once.
const ANSWERS: usize = 5;

/// Its answer is seen to grow, and what stands there in the end is what the gateway keeps.
#[tokio::test]
async fn streams_in_the_window() {
    let model = ModelServer::start();
    let session = Session::without_config();
    session.configure(&format!("gateway: {{port: 0}}\n{}", model.config()));
    let browser = Browser::start(&session).await;
    let client = session.client().await;
    // The page itself notes how long the answer is whenever it changes: nobody looks often enough from outside.
    browser.run(NOTE_LENGTHS).await;
    let mut seen = BTreeSet::new();
    for nth in 1..=ANSWERS {
        browser.run(&format!("lengths.clear(); nth = {nth}")).await;
        browser.type_into("textarea", "Once upon a time").await;
        browser.click("form:has(textarea) button.primary").await;
        let whole = until("the answer is whole", async || {
            let history = client.call_raw("chat.history", serde_json::json!({ "sessionKey": "main" })).await.ok()?;
            let messages = history["messages"].as_array()?;
            let last = messages.last().filter(|_| messages.len() == 2 * nth)?.clone();
            (last["role"] == "assistant" && last["status"] == "complete").then_some(last)
        })
        .await;
        assert_eq!(whole["model"], "llama/gemma");
        // It is shown rendered, so words are compared.
        let text = whole["content"][0]["text"].as_str().expect("text").to_owned();
        let word = text.split(|c: char| !c.is_alphanumeric()).max_by_key(|word| word.len()).expect("a word").to_owned();
        until("it is shown", async || {
            let shown = browser.texts("article.assistant").await;
            shown.get(nth - 1).is_some_and(|shown| shown.contains(&word)).then_some(())
        })
        .await;
        let lengths: BTreeSet<u64> = serde_json::from_value(browser.run("return [...lengths]").await).expect("numbers");
        if lengths.len() >= 3 {
            return browser.end().await;
        }
        seen.insert(lengths);
    }
    panic!("no answer grew in the window: lengths {seen:?}");
}
