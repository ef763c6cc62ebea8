//! The list of models, in each shape.

use serde_json::{Value, json};
use simpleclaw_adapters::provider::genai::{Api, GenaiOptions, GenaiProvider};
use simpleclaw_adapters::provider::{Modality, Model, Provider, ProviderErrorKind as Kind};

use crate::fake::{Fake, KEY, Reply, Step, openai, provider_of};

fn model(id: &str, name: &str) -> Model {
    Model {
        id: id.to_owned(),
        name: name.to_owned(),
        context_window: None,
        input: None,
        reasoning: None,
        tool_use: None,
    }
}

async fn listed(api: Api, body: Value) -> (Vec<Model>, Fake) {
    let fake = Fake::always(Reply::json(200, body)).await;
    let models = provider_of(api, &fake.base(), Some(KEY)).models().await.expect("a list");
    (models, fake)
}

#[tokio::test]
async fn an_openai_list_is_read_and_asked_for_at_the_right_place() {
    let body = json!({"object": "list", "data": [
        {"id": "m-1"},
        {"id": "vendor/m-2", "name": "M 2", "context_length": 8192,
         "architecture": {"input_modalities": ["text", "image"]}},
        {"id": "text-embedding-3"},
        {"id": ""},
        {"id": "x".repeat(300)},
        {"no": "id"},
    ]});
    let (models, fake) = listed(Api::OpenAi, body).await;
    let second = Model {
        context_window: Some(8192),
        input: Some(vec![Modality::Text, Modality::Image]),
        ..model("vendor/m-2", "M 2")
    };
    assert_eq!(models, [model("m-1", "m-1"), second]);
    let seen = fake.only();
    assert_eq!(seen.line, "GET /v1/models");
    assert_eq!(seen.headers["authorization"], format!("Bearer {KEY}"));
}

#[tokio::test]
async fn without_a_key_there_is_no_header() {
    let fake = Fake::always(Reply::json(200, json!({"data": []}))).await;
    let models = provider_of(Api::OpenAi, &format!("{}/", fake.base()), None).models().await;
    assert_eq!(models, Ok(vec![]));
    assert!(fake.only().headers.get("authorization").is_none());
    assert_eq!(fake.only().line, "GET /v1/models");
}

#[tokio::test]
async fn an_anthropic_list_is_read() {
    let body = json!({"data": [{"id": "claude-x", "display_name": "Claude X", "type": "model"}], "has_more": false});
    let (models, fake) = listed(Api::Anthropic, body).await;
    assert_eq!(models.len(), 1);
    assert_eq!((models[0].id.as_str(), models[0].name.as_str()), ("claude-x", "Claude X"));
    assert_eq!(models[0].input, Some(vec![Modality::Text, Modality::Image]));
    let seen = fake.only();
    assert_eq!(seen.line, "GET /v1/models?limit=1000");
    assert_eq!(seen.headers["x-api-key"], KEY);
    assert!(seen.headers.contains_key("anthropic-version"));
    assert!(!seen.headers.contains_key("authorization"));
}

#[tokio::test]
async fn a_gemini_list_is_read() {
    let body = json!({"models": [
        {"name": "models/gemini-x", "displayName": "Gemini X", "inputTokenLimit": 1000,
         "supportedGenerationMethods": ["generateContent"], "thinking": true},
        {"name": "models/other", "supportedGenerationMethods": ["predict"]},
    ]});
    let (models, fake) = listed(Api::Gemini, body).await;
    let expected = Model {
        context_window: Some(1000),
        input: Some(vec![Modality::Text, Modality::Image]),
        reasoning: Some(true),
        ..model("gemini-x", "Gemini X")
    };
    assert_eq!(models, [expected]);
    let seen = fake.only();
    assert_eq!(seen.headers["x-goog-api-key"], KEY);
    assert!(!seen.line.contains(KEY), "the key is not in the address");
}

#[tokio::test]
async fn the_configured_list_asks_nobody() {
    let fake = Fake::always(Reply::json(500, json!({}))).await;
    let own = vec![model("mine", "Mine")];
    let provider = GenaiProvider::new(GenaiOptions {
        id: "fake".to_owned(),
        api: Api::OpenAi,
        base_url: Some(fake.base()),
        api_key: None,
        models: own.clone(),
    })
    .expect("valid options");
    assert_eq!(provider.models().await, Ok(own));
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_list_is_bounded() {
    let many: Vec<Value> = (0..3000).map(|n| json!({"id": format!("m-{n}")})).collect();
    assert_eq!(listed(Api::OpenAi, json!({"data": many})).await.0.len(), 1000);
    let fake = Fake::always(Reply { steps: vec![Step::Flood], ..Reply::json(200, json!(0)) }).await;
    let error = openai(&fake).models().await.expect_err("too long");
    assert_eq!(error.kind, Kind::Network);
    assert!(error.message.contains("4 MiB"), "{}", error.message);
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    for (reply, kind) in [
        (Reply::new(200, "text/html", "<html>"), Kind::Network),
        (Reply::json(200, json!({"data": "none"})), Kind::Network),
        (Reply::json(200, json!([])), Kind::Network),
        (Reply::json(401, json!({"error": "no"})), Kind::Auth),
        (Reply::json(404, json!({})), Kind::Request),
    ] {
        let fake = Fake::always(reply).await;
        let error = openai(&fake).models().await.expect_err("an error");
        assert_eq!((error.kind, error.model.as_deref()), (kind, None));
        assert!(error.message.starts_with("fake: "), "{}", error.message);
    }
}

#[tokio::test]
async fn a_list_that_never_comes_is_given_up_after_ten_seconds() {
    let fake = Fake::always(Reply::steps(vec![Step::Hang])).await;
    let provider = openai(&fake);
    let error = provider.models().await.expect_err("a timeout");
    assert_eq!(error.kind, Kind::Timeout);
}
