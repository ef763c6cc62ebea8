//! Streams that are broken, silent, or no streams at all.

use std::time::{Duration, Instant};

use serde_json::json;
use simpleclaw_adapters::provider::{ChatPiece, ChatRequest, ProviderErrorKind as Kind};

use crate::fake::{Fake, Reply, Step, ask, error_from, openai, pieces, request, says};

const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";

#[tokio::test]
async fn an_answer_that_is_no_stream_is_named() {
    for (reply, kind) in [
        (Reply::new(200, "text/html", "<html>Sign in</html>"), Kind::Network),
        (Reply::new(200, "text/plain", "hello there, this is no stream\n\n"), Kind::Network),
        (Reply::json(200, json!({"choices": []})), Kind::Network),
        (Reply::json(200, says("rate limit reached")), Kind::RateLimit),
        (Reply::sse(""), Kind::Cut),
        (Reply::new(200, "application/json", ""), Kind::Cut),
    ] {
        let error = error_from(reply).await;
        assert_eq!((error.kind, error.http_status), (kind, None), "{}", error.message);
    }
}

#[tokio::test]
async fn a_cut_stream_is_an_error_after_what_came() {
    let finished = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for steps in [
        vec![Step::Send(HELLO.into())],
        vec![Step::Send(HELLO.into()), Step::Break],
        vec![Step::Send(format!("{HELLO}data: {{\"choi").into()), Step::Break],
        vec![Step::Send(format!("{HELLO}data: {{\"choi").into())],
        vec![Step::Send(format!("{HELLO}{finished}").into())],
    ] {
        let fake = Fake::always(Reply::steps(steps)).await;
        let (pieces, error) = pieces(&openai(&fake), request()).await;
        assert_eq!(pieces, [ChatPiece::Text("Hello".to_owned())]);
        let error = error.expect("an error");
        assert_eq!((error.kind, error.retryable()), (Kind::Cut, true), "{}", error.message);
    }
}

#[tokio::test]
async fn rubbish_in_the_stream_is_named() {
    for (rubbish, words) in [
        (b"data: {not json}\n\n".to_vec(), "malformed JSON"),
        (b"data: \xff\xfe\n\n".to_vec(), "no text"),
        (vec![b'x'; 2 << 20], "1 MiB"),
    ] {
        let fake = Fake::always(Reply::steps(vec![Step::Send(HELLO.into()), Step::Send(rubbish)])).await;
        let (_, error) = pieces(&openai(&fake), request()).await;
        let error = error.expect("an error");
        assert_eq!(error.kind, Kind::Network);
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[tokio::test]
async fn more_tool_calls_than_can_be_right_are_refused() {
    let call = |index: usize| {
        let delta = json!({"tool_calls": [{"index": index, "function": {"name": "x"}}]});
        format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}))
    };
    let stream: String = (0..200).map(call).collect();
    assert_eq!(error_from(Reply::sse(stream)).await.kind, Kind::Network);
}

#[tokio::test]
async fn an_error_inside_the_stream_has_its_kind() {
    for (error, kind) in [
        (json!({"message": "x", "type": "server_error"}), Kind::Network),
        (json!({"message": "x", "code": "rate_limit_exceeded"}), Kind::RateLimit),
        (json!({"message": "x", "code": "insufficient_quota"}), Kind::Quota),
        (json!({"message": "x", "code": 429}), Kind::RateLimit),
        (json!({"message": "x", "type": "exceed_context_size_error: context size"}), Kind::Context),
        (json!({"message": "x", "type": "authentication_error"}), Kind::Auth),
    ] {
        let stream = format!("{HELLO}data: {}\n\n", json!({"error": error}));
        assert_eq!(error_from(Reply::sse(stream)).await.kind, kind, "{error}");
    }
}

#[tokio::test]
async fn silence_before_and_inside_the_answer_is_a_timeout() {
    let short = |first_byte: u64, idle: u64| ChatRequest {
        first_byte_timeout: Duration::from_millis(first_byte),
        idle_timeout: Duration::from_millis(idle),
        ..request()
    };
    let slow_head = Reply::sse("data: [DONE]\n\n").delay(Duration::from_secs(60));
    let slow_byte = Reply::steps(vec![Step::Hang]);
    let stall = Reply::steps(vec![Step::Send(HELLO.into()), Step::Hang]);
    for (reply, limits, words) in [
        (slow_head, short(150, 60_000), "in time"),
        (slow_byte, short(150, 60_000), "in time"),
        (stall, short(60_000, 150), "silent"),
    ] {
        let fake = Fake::always(reply).await;
        let started = Instant::now();
        let error = ask(&openai(&fake), limits).await.expect_err("a timeout");
        assert_eq!(error.kind, Kind::Timeout, "{}", error.message);
        assert!(error.message.contains(words), "{}", error.message);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn a_keep_alive_is_a_sign_of_life() {
    let tick = [Step::Wait(Duration::from_millis(100)), Step::Send(": on it\n\n".into())];
    let mut steps: Vec<Step> = std::iter::repeat_n(tick, 6).flatten().collect();
    steps.push(Step::Send(b"data: [DONE]\n\n".to_vec()));
    let fake = Fake::always(Reply::steps(steps)).await;
    let limits = ChatRequest { idle_timeout: Duration::from_millis(400), ..request() };
    ask(&openai(&fake), limits).await.expect("an answer");
}

#[tokio::test]
async fn the_longest_time_limit_is_no_panic() {
    let fake = Fake::always(Reply::sse("data: [DONE]\n\n")).await;
    let limits = ChatRequest { first_byte_timeout: Duration::MAX, idle_timeout: Duration::MAX, ..request() };
    ask(&openai(&fake), limits).await.expect("an answer");
}
