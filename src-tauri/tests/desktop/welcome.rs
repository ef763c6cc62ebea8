//! From an empty home to a real provider in the app's own window, with no file edited by hand.

use serde_json::json;
use simpleclaw_tests::fakes::Model;

use super::session::{Session, until};
use super::webdriver::Browser;

const STEP: &str = "form:has(footer) footer button:last-child";

#[tokio::test]
async fn a_key_is_pasted_tested_saved_and_answers() {
    let model = Model::start().await;
    let session = Session::without_config();
    let entries = std::fs::read_dir(session.home().path()).expect("is there");
    assert_eq!(entries.count(), 0, "an empty home");
    // Without a configuration it would be the usual one, which somebody may use here.
    let browser = Browser::start_with(&session, &["--port", "0"]).await;
    until("the welcome", async || browser.texts("h1").await.iter().any(|text| text.contains("Welcome")).then_some(()))
        .await;
    browser.type_into("textarea", "Who are you?").await;
    browser.click("form:has(textarea) button.primary").await;
    until("the guide", async || {
        browser.texts("article.assistant").await.first().filter(|text| text.contains("guide")).map(|_| ())
    })
    .await;

    let file = session.home().config_path();
    assert!(!file.exists(), "nothing had to be configured for it");

    let kind = "[...document.querySelectorAll('label.kind')].find((label) => label.innerText.includes('Like OpenAI'))";
    browser.run(&format!("{kind}.click(); return true")).await;
    browser.click(STEP).await;
    browser.type_over("input[id$='-url']", &format!("http://127.0.0.1:{}/v1", model.port)).await;
    browser.type_into("input[id$='-key']", model.key()).await;
    browser.click(STEP).await;
    until("the test of the key", async || {
        browser.texts("form:has(footer)").await.iter().any(|text| text.contains("Works")).then_some(())
    })
    .await;
    browser.click(STEP).await;
    until("it is connected", async || {
        browser.texts("main").await.iter().any(|text| text.contains("is connected.")).then_some(())
    })
    .await;

    browser.type_into("textarea", "And now?").await;
    browser.click("form:has(textarea) button.primary").await;
    let client = session.client().await;
    let answer = until("an answer of the provider", async || {
        let history = client.call_raw("chat.history", json!({ "sessionKey": "main" })).await.ok()?;
        let messages = history["messages"].as_array()?.clone();
        messages
            .into_iter()
            .rev()
            .find(|message| message["role"] == "assistant" && message["status"] == "complete")
            .filter(|message| message["model"].as_str().is_some_and(|model| !model.starts_with("builtin/")))
    })
    .await;
    assert!(answer["model"].as_str().is_some_and(|model| model.ends_with("/scripted")), "{answer}");
    let config = std::fs::read_to_string(&file).expect("the configuration");
    assert!(!config.contains(model.key()), "the key is no text of the configuration: {config}");
    // All of the file came in one change, and that was the page's.
    let history = client.call_raw("config.history", json!({})).await.expect("answers");
    let [change] = history["versions"].as_array().expect("a list").as_slice() else { panic!("{history}") };
    assert!(change["by"].as_str().is_some_and(|by| by.ends_with("simpleclaw-ui")), "{change}");
    let lines = change["diff"].as_str().expect("a text").lines();
    let added: Vec<&str> = lines.filter_map(|line| line.strip_prefix('+')).collect();
    assert_eq!(config.lines().collect::<Vec<_>>(), added);
    browser.end().await;
}
