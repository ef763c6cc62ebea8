//! The chat in the app's own window.

use simpleclaw_protocol::methods::chat::{ChatSend, ChatSendParams};

use super::session::{Session, until};
use super::tray_host::TrayHost;
use super::webdriver::Browser;

#[tokio::test]
async fn a_message_gets_the_guides_answer() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let browser = Browser::start(&session).await;
    browser.type_into("textarea", "What can you do?").await;
    browser.click("form:has(textarea) button.primary").await;
    let seen = until("the answer grows", async || {
        let texts = browser.texts("article.assistant").await;
        texts.into_iter().next().filter(|text| !text.is_empty())
    })
    .await;
    let client = session.client().await;
    let whole = until("the answer is whole", async || {
        let history = client.call_raw("chat.history", serde_json::json!({ "sessionKey": "main" })).await.ok()?;
        let last = history["messages"].as_array()?.last()?.clone();
        (last["role"] == "assistant" && last["status"] == "complete").then_some(last)
    })
    .await;
    let text = whole["content"][0]["text"].as_str().expect("text").to_owned();
    let first_word = text.split_whitespace().next().expect("a word").trim_matches(['*', '#', '`']);
    assert!(seen.contains(first_word), "{seen:?} began {text:?}");
    // It is shown rendered, so only the last word is compared.
    let last_word = text.split_whitespace().last().expect("a word").trim_matches(['*', '#', '`', '.', ')']).to_owned();
    until("all of it is shown", async || {
        browser.texts("article.assistant").await.first().filter(|text| text.contains(&last_word)).map(|_| ())
    })
    .await;
    // The tray knows the same session.
    host.item().await.until_entry("Recent sessions", |entry| !entry.entries.is_empty()).await;
    browser.end().await;
}

#[tokio::test]
async fn the_menu_leads_to_a_session() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let browser = Browser::start(&session).await;
    let client = session.client().await;
    let send = ChatSendParams {
        session_key: "agent:main:tea".into(),
        message: "Tea at five".into(),
        idempotency_key: "tea-1".into(),
        ..ChatSendParams::default()
    };
    client.call::<ChatSend>(&send).await.expect("is taken");
    let item = host.item().await;
    let tea = until("the session in the menu", async || {
        let recent = item.entry("Recent sessions").await?;
        recent.entries.into_iter().map(|entry| entry.label).find(|label| label.contains("Tea") || label.contains("tea"))
    })
    .await;
    item.click(&tea).await;
    until("the session in the window", async || {
        let hash = browser.run("return location.hash").await;
        (hash == "#/chat/agent%3Amain%3Atea").then_some(())
    })
    .await;
    until("its message", async || {
        browser.texts("article.user").await.iter().any(|text| text.contains("Tea at five")).then_some(())
    })
    .await;
    browser.end().await;
}

#[tokio::test]
async fn a_page_has_only_its_own_commands() {
    let session = Session::start();
    let browser = Browser::start(&session).await;
    let ask = |command: &str, args: &str| {
        format!(
            "return window.__TAURI_INTERNALS__.invoke('{command}', {args}).then(() => 'done', (error) => String(error))"
        )
    };
    for (command, args) in [
        ("failure", "{}"),
        ("quit", "{}"),
        ("start_again", "{ anyPort: true }"),
        ("plugin:opener|open_path", "{ path: '/etc/passwd' }"),
        ("plugin:autostart|enable", "{}"),
    ] {
        let answer = browser.run(&ask(command, args)).await;
        assert!(answer.as_str().is_some_and(|text| text.contains("not allowed")), "{command}: {answer}");
    }
    let answer = browser.run(&ask("open_external", "{ url: 'file:///etc/passwd' }")).await;
    assert_eq!(answer, "file: links are not opened");
    browser.end().await;
}

/// The other pages have entries of their own; the window is the same.
#[tokio::test]
async fn the_menu_leads_to_settings_and_to_the_dashboard() {
    let session = Session::start();
    let host = TrayHost::start(&session).await;
    let browser = Browser::start(&session).await;
    let item = host.item().await;
    item.click("Settings…").await;
    until("the settings", async || browser.texts("h2").await.iter().any(|heading| heading == "Gateway").then_some(()))
        .await;
    item.click("Dashboard").await;
    until("the health page", async || {
        browser.texts("h2").await.iter().any(|heading| heading == "Subsystems").then_some(())
    })
    .await;
    session.until_windows("SimpleClaw", 1).await;
    browser.end().await;
}
