//! What a provider sends in the OpenAI-compatible shape.

use std::sync::Arc;

use serde_json::{Value, json};
use simpleclaw_adapters::provider::genai::Api;
use simpleclaw_adapters::provider::{ChatMessage, ChatRequest, Part, Thinking, ToolCall, ToolSpec};

use crate::fake::{Fake, KEY, Reply, ask, openai, provider_of, request, user};

async fn ending() -> Fake {
    Fake::always(Reply::sse("data: [DONE]\n\n")).await
}

async fn sent(request: ChatRequest) -> Value {
    let fake = ending().await;
    ask(&openai(&fake), request).await.expect("an answer");
    fake.only().body
}

#[tokio::test]
async fn the_path_is_exact_with_and_without_a_slash() {
    for tail in ["", "/"] {
        let fake = ending().await;
        let base = format!("{}{tail}", fake.base());
        ask(&provider_of(Api::OpenAi, &base, Some(KEY)), request()).await.expect("an answer");
        assert_eq!(fake.only().line, "POST /v1/chat/completions");
    }
}

#[tokio::test]
async fn a_query_stays_and_a_bare_address_gets_nothing_but_the_path() {
    for (tail, line) in [("/a/b?version=2", "POST /a/b/chat/completions?version=2"), ("", "POST /chat/completions")] {
        let fake = ending().await;
        let base = format!("http://127.0.0.1:{}{tail}", fake.port);
        ask(&provider_of(Api::OpenAi, &base, None), request()).await.expect("an answer");
        assert_eq!(fake.only().line, line);
    }
}

#[tokio::test]
async fn ollama_gets_its_v1() {
    for tail in ["", "/", "/v1"] {
        let fake = ending().await;
        let base = format!("http://127.0.0.1:{}{tail}", fake.port);
        ask(&provider_of(Api::Ollama, &base, None), request()).await.expect("an answer");
        assert_eq!(fake.only().line, "POST /v1/chat/completions");
    }
}

#[tokio::test]
async fn the_key_is_a_bearer_and_no_key_is_no_header() {
    for (key, header) in [(Some(KEY), Some(format!("Bearer {KEY}"))), (None, None), (Some("  "), None)] {
        let fake = ending().await;
        ask(&provider_of(Api::OpenAi, &fake.base(), key), request()).await.expect("an answer");
        let seen = fake.only();
        let sent = seen.headers.get("authorization").map(|value| value.to_str().expect("text"));
        assert_eq!(sent, header.as_deref(), "{key:?}");
        assert!(seen.headers.get("x-api-key").is_none());
    }
}

#[tokio::test]
async fn a_bare_request_has_exactly_this_shape() {
    assert_eq!(
        sent(request()).await,
        json!({
            "model": "m-1",
            "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "hi"}],
        })
    );
}

#[tokio::test]
async fn a_model_name_is_sent_as_it_is() {
    for model in ["x::y", "deep-high", "a/b:7b"] {
        let body = sent(ChatRequest { model: model.to_owned(), ..request() }).await;
        assert_eq!(body["model"], model);
        assert!(body.get("reasoning_effort").is_none());
    }
}

#[tokio::test]
async fn a_full_request_has_exactly_this_shape() {
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    let call = |id: &str, arguments: Value| ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments };
    let result = |id: &str, content: &str, is_error| ChatMessage::ToolResult {
        call_id: id.to_owned(),
        name: "read".to_owned(),
        content: content.to_owned(),
        is_error,
    };
    let body = sent(ChatRequest {
        system: Some("Be brief.".to_owned()),
        messages: vec![
            user("look"),
            ChatMessage::Assistant {
                text: String::new(),
                tool_calls: vec![call("a", json!({"path": "x"})), call("b", json!("garbled"))],
            },
            result("a", "text", false),
            result("b", "no such file", true),
            ChatMessage::Assistant { text: "Done.".to_owned(), tool_calls: vec![] },
            user("thanks"),
        ],
        tools: vec![ToolSpec {
            name: "read".to_owned(),
            description: "Reads a file.".to_owned(),
            schema: schema.clone(),
        }],
        max_tokens: Some(99),
        thinking: Some(Thinking::Medium),
        ..request()
    })
    .await;
    let function = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": arguments}});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": null, "tool_calls": [
                function("a", r#"{"path":"x"}"#),
                function("b", r#"{"arguments":"garbled"}"#),
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "text"},
            {"role": "tool", "tool_call_id": "b", "content": "Error: no such file"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "thanks"},
        ])
    );
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "function": {
            "name": "read", "description": "Reads a file.", "parameters": schema,
        }}])
    );
    assert_eq!(body["max_tokens"], 99);
    assert_eq!(body["reasoning_effort"], "medium");
}

#[tokio::test]
async fn an_image_is_sent_as_a_data_url() {
    let bytes: Arc<[u8]> = Arc::from(&b"\x89PNG\xff"[..]);
    let image = Part::Image { mime_type: "image/png".to_owned(), bytes, name: "a.png".to_owned() };
    let parts = vec![Part::Text("What is it?".to_owned()), image];
    let body = sent(ChatRequest { messages: vec![ChatMessage::User { parts }], ..request() }).await;
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR/8="}},
        ])
    );
}
