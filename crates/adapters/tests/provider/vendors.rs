//! Anthropic's and Gemini's shapes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::genai::Api;
use simpleclaw_adapters::provider::{
    ChatEnd, ChatMessage, ChatRequest, Part, Provider, ProviderErrorKind as Kind, Stop, Thinking, ToolCall, ToolSpec,
    Usage,
};
use tokio::time::timeout;

use crate::fake::{Fake, KEY, Reply, Step, ask, error_of, provider_of, request, user};

fn named_events(events: &[Value]) -> String {
    events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x"))).collect()
}

fn data_events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect()
}

fn anthropic_start() -> Value {
    json!({"type": "message_start", "message": {"usage": {
        "input_tokens": 9, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 5, "output_tokens": 1,
    }}})
}

fn anthropic_text(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

/// A tool call in these pieces, as far as its arguments go.
fn anthropic_call(pieces: &[&str]) -> Vec<Value> {
    let block = json!({"type": "tool_use", "id": "t", "name": "read", "input": {}});
    let start = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let pieces = pieces.iter().map(|piece| {
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}})
    });
    std::iter::once(start).chain(pieces).collect()
}

fn anthropic_stop() -> Value {
    json!({"type": "content_block_stop", "index": 0})
}

fn anthropic_end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ]
}

fn gemini_end(parts: &[Value]) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})
}

async fn end_of(api: Api, wire: String) -> ChatEnd {
    let fake = Fake::always(Reply::sse(wire)).await;
    ask(&provider_of(api, &fake.base(), Some(KEY)), request()).await.expect("an answer").end
}

fn with_tool() -> ChatRequest {
    let image =
        Part::Image { mime_type: "image/png".to_owned(), bytes: Arc::from(&b"\x89PNG\xff"[..]), name: "a".to_owned() };
    ChatRequest {
        model: "claude-x".to_owned(),
        system: Some("Be brief.".to_owned()),
        messages: vec![
            ChatMessage::User { parts: vec![Part::Text("look".to_owned()), image] },
            ChatMessage::Assistant {
                text: "Reading.".to_owned(),
                tool_calls: ["a", "b"]
                    .map(|id| ToolCall { id: id.to_owned(), name: "read".to_owned(), arguments: json!({"path": id}) })
                    .to_vec(),
            },
            ChatMessage::ToolResult {
                call_id: "a".to_owned(),
                name: "read".to_owned(),
                content: "one".to_owned(),
                is_error: false,
            },
            ChatMessage::ToolResult {
                call_id: "b".to_owned(),
                name: "read".to_owned(),
                content: "two".to_owned(),
                is_error: true,
            },
        ],
        tools: vec![ToolSpec {
            name: "read".to_owned(),
            description: "Reads.".to_owned(),
            schema: json!({"type": "object"}),
        }],
        max_tokens: Some(64),
        thinking: Some(Thinking::Low),
        ..request()
    }
}

#[tokio::test]
async fn anthropic_answers_with_thinking_text_and_a_tool_call() {
    let events = [
        anthropic_start(),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        anthropic_text("Grüße "),
        anthropic_text("🦀"),
        json!({"type": "content_block_stop", "index": 1}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t1", "name": "read", "input": {}}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{\"path\":"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "\"x\"}"}}),
        json!({"type": "content_block_stop", "index": 2}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}}),
        json!({"type": "message_stop"}),
    ];
    let wire = named_events(&events).into_bytes();
    let fake = Fake::always(Reply::steps(wire.chunks(11).map(|part| Step::Send(part.to_vec())).collect())).await;
    let provider = provider_of(Api::Anthropic, &fake.base(), Some(KEY));
    let answer = ask(&provider, with_tool()).await.expect("an answer");
    assert_eq!((answer.thinking.as_str(), answer.text.as_str()), ("Hm.", "Grüße 🦀"));
    let call = ToolCall { id: "t1".to_owned(), name: "read".to_owned(), arguments: json!({"path": "x"}) };
    assert_eq!(answer.end.tool_calls, [call]);
    assert_eq!(answer.end.stop, Stop::ToolCalls);
    let usage = Usage { input_tokens: 114, output_tokens: 20, cached_tokens: 100, cache_write_tokens: 5 };
    assert_eq!(answer.end.usage, Some(usage));

    let seen = fake.only();
    assert_eq!(seen.line, "POST /v1/messages");
    assert_eq!(seen.headers["x-api-key"], KEY);
    assert!(!seen.headers.contains_key("authorization"));
    let body = seen.body;
    assert_eq!((&body["model"], &body["stream"], &body["max_tokens"]), (&json!("claude-x"), &json!(true), &json!(64)));
    let cached = json!({"type": "ephemeral"});
    assert_eq!(body["system"][0]["cache_control"], cached, "the prompt is cached: {body}");
    assert_eq!(body["messages"][2]["content"][1]["cache_control"], cached, "and all of the past: {body}");
    assert!(body.get("thinking").is_none(), "no reasoning right after a tool: {body}");
    assert_eq!(body["messages"][0]["content"][1]["source"]["data"], "iVBOR/8=");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(3), "results go back together: {body}");
    assert_eq!(body["messages"][2]["content"][1]["tool_use_id"], "b");
    assert_eq!(body["messages"][2]["content"][1]["content"], "Error: two");
}

#[tokio::test]
async fn gemini_answers_with_text_and_a_tool_call() {
    let events = [
        json!({"candidates": [{"content": {"parts": [{"text": "Grüße 🦀"}]}}]}),
        json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "read", "args": {"path": "x"}}}]}, "finishReason": "STOP"}],
               "usageMetadata": {"promptTokenCount": 50, "candidatesTokenCount": 6, "totalTokenCount": 56, "cachedContentTokenCount": 40}}),
    ];
    let wire = data_events(&events).into_bytes();
    let fake = Fake::always(Reply::steps(wire.chunks(7).map(|part| Step::Send(part.to_vec())).collect())).await;
    let base = format!("http://127.0.0.1:{}/v1beta", fake.port);
    let asked = ChatRequest { model: "gemini-x".to_owned(), ..with_tool() };
    let answer = ask(&provider_of(Api::Gemini, &base, Some(KEY)), asked).await.expect("an answer");
    assert_eq!(answer.text, "Grüße 🦀");
    assert_eq!(answer.end.tool_calls.len(), 1);
    assert_eq!(answer.end.tool_calls[0].arguments, json!({"path": "x"}));
    assert!(!answer.end.tool_calls[0].id.is_empty());
    assert_eq!(answer.end.stop, Stop::ToolCalls);
    let usage = Usage { input_tokens: 50, output_tokens: 6, cached_tokens: 40, cache_write_tokens: 0 };
    assert_eq!(answer.end.usage, Some(usage));
    let seen = fake.only();
    assert_eq!(seen.line, "POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse");
    assert_eq!(seen.headers["x-goog-api-key"], KEY);
}

#[tokio::test]
async fn a_cut_answer_is_an_error_in_both() {
    let gemini = data_events(&[json!({"candidates": [{"content": {"parts": [{"text": "x"}]}}]})]);
    for (api, wire) in
        [(Api::Anthropic, named_events(&[anthropic_start(), anthropic_text("x")])), (Api::Gemini, gemini)]
    {
        for last in [vec![], vec![Step::Break]] {
            let steps = [vec![Step::Send(wire.clone().into_bytes())], last].concat();
            let fake = Fake::always(Reply::steps(steps)).await;
            let error = error_of(&provider_of(api, &fake.base(), Some(KEY))).await;
            assert_eq!(error.kind, Kind::Cut, "{api:?}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn errors_have_their_kinds_in_both() {
    for api in [Api::Anthropic, Api::Gemini] {
        let limit = Reply::json(429, json!({"error": {"message": "slow down"}})).header("retry-after", "3");
        for (reply, kind, status, wait) in [
            (limit, Kind::RateLimit, Some(429), Some(3000)),
            (Reply::json(401, json!({"error": {"message": "bad key"}})), Kind::Auth, Some(401), None),
            (
                Reply::json(400, json!({"error": {"message": "prompt is too long: 9 > 8"}})),
                Kind::Context,
                Some(400),
                None,
            ),
            (Reply::new(500, "text/html", "<html>"), Kind::Network, Some(500), None),
        ] {
            let fake = Fake::always(reply).await;
            let provider = provider_of(api, &fake.base(), Some(KEY));
            // The call itself fails, not only its first piece.
            let error = provider.stream(request()).await.err().expect("an error");
            assert_eq!((error.kind, error.http_status, error.retry_after_ms), (kind, status, wait), "{api:?}");
        }
    }
    let overloaded = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}});
    let fake = Fake::always(Reply::sse(named_events(&[anthropic_start(), overloaded]))).await;
    let error = error_of(&provider_of(Api::Anthropic, &fake.base(), Some(KEY))).await;
    assert_eq!(error.kind, Kind::RateLimit);
    assert!(error.message.contains("slow down"), "{}", error.message);
}

#[tokio::test]
async fn silence_is_a_timeout_in_both() {
    for api in [Api::Anthropic, Api::Gemini] {
        for reply in [Reply::sse("").delay(Duration::from_secs(5)), Reply::steps(vec![Step::Hang])] {
            let fake = Fake::always(reply).await;
            let limit = Duration::from_millis(150);
            let asked = ChatRequest { first_byte_timeout: limit, idle_timeout: limit, ..request() };
            let error = ask(&provider_of(api, &fake.base(), Some(KEY)), asked).await.expect_err("a timeout");
            assert_eq!(error.kind, Kind::Timeout, "{}", error.message);
        }
    }
}

#[tokio::test]
async fn no_key_is_said_before_anything_is_sent() {
    let fake = Fake::always(Reply::sse("")).await;
    for api in [Api::Anthropic, Api::Gemini] {
        let error = error_of(&provider_of(api, &fake.base(), None)).await;
        assert_eq!(error.kind, Kind::Auth);
        assert!(error.message.contains("apiKey"), "{}", error.message);
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn thinking_is_asked_for_and_dropping_closes_the_connection() {
    let wire = named_events(&[anthropic_start(), anthropic_text("x")]);
    let fake = Fake::always(Reply::steps(vec![Step::Send(wire.into_bytes()), Step::Hang])).await;
    let asked = ChatRequest { thinking: Some(Thinking::High), messages: vec![user("hi")], ..with_tool() };
    let asked = ChatRequest { model: "claude-sonnet-4-5".to_owned(), max_tokens: None, ..asked };
    let provider = provider_of(Api::Anthropic, &fake.base(), Some(KEY));
    let mut stream = provider.stream(asked).await.expect("a stream");
    stream.next().await.expect("a piece").expect("text");
    drop(stream);
    timeout(Duration::from_secs(2), fake.gone.notified()).await.expect("closed at once");
    assert!(fake.only().body.get("thinking").is_some(), "{}", fake.only().body);
}

#[tokio::test]
async fn an_answer_that_is_no_stream_is_an_error_in_both() {
    for api in [Api::Anthropic, Api::Gemini] {
        for reply in [
            Reply::new(200, "text/html", "<html>Sign in</html>"),
            Reply::new(200, "text/plain", "hello there, this is no stream\n\n"),
            Reply::json(200, json!({"choices": []})),
            Reply::sse(": nothing but a comment\n\n"),
            Reply::sse(""),
        ] {
            let fake = Fake::always(reply).await;
            let error = error_of(&provider_of(api, &fake.base(), Some(KEY))).await;
            assert_eq!((error.kind, error.http_status), (Kind::Cut, None), "{api:?}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn rubbish_in_the_stream_is_named_in_both() {
    let hello = named_events(&[anthropic_start(), anthropic_text("x")]);
    let anthropic: [(&[u8], &str); 5] = [
        (b"event: content_block_delta\ndata: {not json}\n\n", "malformed JSON"),
        (b"event: message_delta\ndata: {not json}\n\n", "malformed JSON"),
        (b"event: content_block_delta\ndata: {\"delta\": {}}\n\n", "malformed JSON"),
        (b"event: content_block_start\ndata: {\"content_block\": {\"type\": \"tool_use\"}}\n\n", "malformed JSON"),
        (b"event: ping\ndata: \xff\xfe\n\n", "no text"),
    ];
    let gemini_hello = data_events(&[json!({"candidates": [{"content": {"parts": [{"text": "x"}]}}]})]);
    let gemini: [(&[u8], &str); 3] = [
        (b"data: {not json}\n\n", "malformed JSON"),
        (b"data: {}\n\n", "the server failed"),
        (b"data: \xff\xfe\n\n", "no text"),
    ];
    for (api, hello, cases) in [(Api::Anthropic, hello, &anthropic[..]), (Api::Gemini, gemini_hello, &gemini[..])] {
        for (rubbish, words) in cases {
            let steps = vec![Step::Send(hello.clone().into_bytes()), Step::Send(rubbish.to_vec()), Step::Hang];
            let fake = Fake::always(Reply::steps(steps)).await;
            let error = error_of(&provider_of(api, &fake.base(), Some(KEY))).await;
            assert_eq!(error.kind, Kind::Network, "{api:?}: {}", error.message);
            assert!(error.message.contains(words), "{api:?}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn broken_arguments_of_a_tool_call_are_handed_on_in_both() {
    for (written, arguments) in [
        (vec![], json!({})),
        (vec!["", "  "], json!({})),
        (vec!["{\"path\":"], json!("{\"path\":")),
        (vec!["not ", "json"], json!("not json")),
        (vec!["[1]"], json!([1])),
    ] {
        let call = [anthropic_call(&written), vec![anthropic_stop()], anthropic_end("tool_use").to_vec()].concat();
        let end = end_of(Api::Anthropic, named_events(&call)).await;
        assert_eq!((end.tool_calls.len(), &end.stop), (1, &Stop::ToolCalls), "{written:?}");
        assert_eq!(end.tool_calls[0].arguments, arguments, "{written:?}");
    }
    // Cut off by the limit on tokens: no end of the call, and it is said that the answer is incomplete.
    let call = [anthropic_call(&["{\"path\":"]), anthropic_end("max_tokens").to_vec()].concat();
    let end = end_of(Api::Anthropic, named_events(&call)).await;
    assert_eq!(end.stop, Stop::Length);
    assert_eq!(end.tool_calls[0].arguments, json!("{\"path\":"));

    for (call, arguments) in [
        (json!({"name": "read"}), json!({})),
        (json!({"name": "read", "args": "not json"}), json!("not json")),
        (json!({"name": "read", "args": [1]}), json!([1])),
        (json!({}), json!({})),
    ] {
        let end = end_of(Api::Gemini, data_events(&[gemini_end(&[json!({"functionCall": call})])])).await;
        assert_eq!((end.tool_calls.len(), &end.stop), (1, &Stop::ToolCalls), "{call}");
        assert_eq!(end.tool_calls[0].arguments, arguments, "{call}");
        assert!(!end.tool_calls[0].id.is_empty());
    }
}

/// Where the server goes on for ever, the error comes before it has ended.
#[tokio::test]
async fn more_tool_calls_than_can_be_right_are_refused_in_both() {
    let mebibyte = "x".repeat(1 << 20);
    let long = mebibyte.as_str();
    let many = (0..200).flat_map(|_| [anthropic_call(&[]), vec![anthropic_stop()]].concat());
    let many: Vec<Value> = many.chain(anthropic_end("tool_use")).collect();
    let endless: Vec<Value> = (0..5000).flat_map(|_| anthropic_call(&[])).collect();
    let function = |args: &str| json!({"functionCall": {"id": "same", "name": "read", "args": {"x": args}}});
    let gemini_long = json!({"candidates": [{"content": {"parts": [function(long)]}}]});
    let gemini_signed = json!({"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": long}]}}]});
    for (api, wire) in [
        (Api::Anthropic, named_events(&many)),
        (Api::Anthropic, named_events(&endless)),
        (Api::Anthropic, named_events(&anthropic_call(&[long; 5]))),
        (Api::Gemini, data_events(&[gemini_end(&vec![function("x"); 200])])),
        (Api::Gemini, data_events(&vec![gemini_long; 5])),
        (Api::Gemini, data_events(&vec![gemini_signed; 5])),
    ] {
        let fake = Fake::always(Reply::steps(vec![Step::Send(wire.into_bytes()), Step::Hang])).await;
        let error = error_of(&provider_of(api, &fake.base(), Some(KEY))).await;
        assert_eq!(error.kind, Kind::Network, "{api:?}: {}", error.message);
        assert!(error.message.contains("more tool calls"), "{api:?}: {}", error.message);
    }
    // Each piece comes to us with those before it, which are not counted again.
    let piece = "x".repeat(1000);
    let call =
        [anthropic_call(&[piece.as_str(); 1000]), vec![anthropic_stop()], anthropic_end("tool_use").to_vec()].concat();
    let end = end_of(Api::Anthropic, named_events(&call)).await;
    assert_eq!(end.tool_calls[0].arguments.as_str().map(str::len), Some(1_000_000));
}
