//! What comes out of well-formed streams in the OpenAI-compatible shape.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::{ChatEnd, ChatPiece, Provider, Stop, ToolCall, Usage};
use tokio::time::timeout;

use crate::fake::{Fake, Reply, Step, ask, openai, request};

fn delta(delta: Value) -> String {
    format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}))
}

fn finish(reason: &str) -> String {
    format!("data: {}\n\ndata: [DONE]\n\n", json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

#[tokio::test]
async fn text_survives_every_cut_and_line_end() {
    let stream = ": keep-alive\r\n\r\n".to_owned()
        + &delta(json!({"role": "assistant", "content": ""}))
        + &delta(json!({"reasoning_content": "Hm… "}))
        + &delta(json!({"reasoning": "well."}))
        + &delta(json!({"content": "Grüße "}))
        + &delta(json!({"content": "🦀\n\"x\""}))
        + &finish("stop");
    for (ends, size) in [("\n", 1), ("\r\n", 1), ("\r\n", 3), ("\n", 7), ("\r", 5)] {
        let wire = stream.replace("\r\n", "\n").replace('\n', ends);
        let steps = wire.as_bytes().chunks(size).map(|part| Step::Send(part.to_vec())).collect();
        let fake = Fake::always(Reply::steps(steps)).await;
        let answer = ask(&openai(&fake), request()).await.expect("an answer");
        assert_eq!(answer.text, "Grüße 🦀\n\"x\"", "{ends:?} {size}");
        assert_eq!(answer.thinking, "Hm… well.");
        assert_eq!(answer.end, ChatEnd { tool_calls: vec![], usage: None, stop: Stop::End });
    }
}

#[tokio::test]
async fn two_parallel_tool_calls_come_whole_and_in_order() {
    let call = |call: Value| delta(json!({"tool_calls": [call]}));
    let stream = call(json!({"index": 1, "id": "b", "function": {"name": "read", "arguments": ""}}))
        + &call(json!({"index": 0, "id": "a", "function": {"name": "exec", "arguments": "{\"co"}}))
        + &call(json!({"index": 1, "function": {"arguments": "{\"path\":"}}))
        + &call(json!({"index": 0, "function": {"arguments": "mmand\":\"ls\"}"}}))
        + &call(json!({"index": 1, "function": {"arguments": "\"/tmp\"}"}}))
        + &finish("tool_calls");
    let fake = Fake::always(Reply::sse(stream)).await;
    let answer = ask(&openai(&fake), request()).await.expect("an answer");
    let call =
        |id: &str, name: &str, arguments: Value| ToolCall { id: id.to_owned(), name: name.to_owned(), arguments };
    assert_eq!(
        answer.end.tool_calls,
        [call("a", "exec", json!({"command": "ls"})), call("b", "read", json!({"path": "/tmp"}))]
    );
    assert_eq!(answer.end.stop, Stop::ToolCalls);
}

#[tokio::test]
async fn calls_without_index_or_id_or_json_are_kept() {
    let stream = delta(json!({"tool_calls": [
        {"id": "x", "function": {"name": "one", "arguments": "not json"}},
        {"id": "y", "function": {"name": "two"}},
    ]})) + &delta(json!({"tool_calls": [{"function": {"arguments": "[1]"}}]}))
        + &delta(json!({"tool_calls": [{"index": 4294967295u64, "function": {"name": "far"}}]}))
        + &finish("stop");
    let fake = Fake::always(Reply::sse(stream)).await;
    let end = ask(&openai(&fake), request()).await.expect("an answer").end;
    let calls: Vec<_> =
        end.tool_calls.iter().map(|call| (call.id.as_str(), call.name.as_str(), &call.arguments)).collect();
    assert_eq!(
        calls,
        [("x", "one", &json!("not json")), ("y", "two", &json!([1])), ("call_4294967295", "far", &json!({})),]
    );
    // The server said `stop`, but it waits for results.
    assert_eq!(end.stop, Stop::ToolCalls);
}

#[tokio::test]
async fn usage_comes_with_its_cached_part() {
    let usage = json!({"choices": [], "usage": {
        "prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 64},
    }});
    let stream = delta(json!({"content": "x"})) + &format!("data: {usage}\n\n") + &finish("length");
    let fake = Fake::always(Reply::sse(stream)).await;
    let end = ask(&openai(&fake), request()).await.expect("an answer").end;
    assert_eq!(
        end.usage,
        Some(Usage { input_tokens: 100, output_tokens: 7, cached_tokens: 64, cache_write_tokens: 0 })
    );
    assert_eq!(end.stop, Stop::Length);
}

#[tokio::test]
async fn an_unknown_reason_is_handed_on_and_a_missing_one_is_an_end() {
    for (reason, stop) in [("content_filter", Stop::Other("content_filter".to_owned())), ("", Stop::End)] {
        let body = if reason.is_empty() { "data: [DONE]".to_owned() } else { finish(reason) };
        let fake = Fake::always(Reply::sse(delta(json!({"content": "x"})) + &body)).await;
        assert_eq!(ask(&openai(&fake), request()).await.expect("an answer").end.stop, stop);
    }
}

#[tokio::test]
async fn pieces_are_handed_on_as_they_come() {
    let steps = vec![Step::Send(delta(json!({"content": "now"})).into_bytes()), Step::Hang];
    let fake = Fake::always(Reply::steps(steps)).await;
    let mut stream = openai(&fake).stream(request()).await.expect("a stream");
    let first = timeout(Duration::from_secs(2), stream.next()).await.expect("at once");
    assert_eq!(first, Some(Ok(ChatPiece::Text("now".to_owned()))));
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let steps = vec![Step::Send(delta(json!({"content": "x"})).into_bytes()), Step::Hang];
    let fake = Fake::always(Reply::steps(steps)).await;
    let mut stream = openai(&fake).stream(request()).await.expect("a stream");
    stream.next().await.expect("a piece").expect("text");
    let still_open = timeout(Duration::from_millis(100), fake.gone.notified()).await;
    assert!(still_open.is_err(), "the connection stays while the stream is held");
    drop(stream);
    timeout(Duration::from_secs(2), fake.gone.notified()).await.expect("closed at once");
}
