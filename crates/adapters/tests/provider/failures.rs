//! Refusals, servers that are not there, and what an error may tell.

use std::time::{Duration, Instant};

use serde_json::json;
use simpleclaw_adapters::provider::genai::{Api, GenaiOptions, GenaiProvider};
use simpleclaw_adapters::provider::{ApiKey, Provider, ProviderErrorKind as Kind};

use crate::fake::{Fake, KEY, Reply, Step, error_from, error_of, openai, provider_of, says};

#[tokio::test]
async fn each_status_has_its_kind() {
    let long = "This model's maximum context length is 8192 tokens.";
    for (status, said, kind, retryable) in [
        (400, "bad tool schema", Kind::Request, false),
        (400, long, Kind::Context, false),
        (400, "Your credit balance is too low to access the API.", Kind::Quota, false),
        (413, "request exceeds the available context size", Kind::Context, false),
        (413, "too large", Kind::Request, false),
        (401, "Incorrect API key provided", Kind::Auth, false),
        (402, "pay", Kind::Quota, false),
        (403, "not for you", Kind::Auth, false),
        (404, "no such model", Kind::Request, false),
        (408, "slow", Kind::Timeout, true),
        (422, "what", Kind::Request, false),
        (429, "slow down", Kind::RateLimit, true),
        (500, "oops", Kind::Network, true),
        (503, "loading model", Kind::Network, true),
        (504, "slow", Kind::Timeout, true),
        (302, "over there", Kind::Request, false),
    ] {
        let error = error_from(Reply::json(status, says(said))).await;
        assert_eq!((error.kind, error.http_status), (kind, Some(status)), "{status} {said}");
        assert_eq!(error.retryable(), retryable, "{status} {said}");
        assert!(error.message.contains(said), "{}", error.message);
        assert!(error.message.contains(&format!("HTTP {status}")), "{}", error.message);
    }
}

#[tokio::test]
async fn too_many_requests_says_how_long_to_wait_and_when_waiting_is_no_use() {
    let plain = Reply::json(429, says("slow down"));
    assert_eq!(error_from(plain.clone()).await.retry_after_ms, None);
    assert_eq!(error_from(plain.clone().header("retry-after", "7")).await.retry_after_ms, Some(7000));
    let exact = plain.clone().header("retry-after", "7").header("retry-after-ms", "1500");
    assert_eq!(error_from(exact).await.retry_after_ms, Some(1500));
    for junk in ["Wed, 21 Oct 2026 07:28:00 GMT", "-3", "99999999999999999999"] {
        assert_eq!(error_from(plain.clone().header("retry-after", junk)).await.retry_after_ms, None);
    }
    // Gemini's way of saying it, in the body.
    for (delay, ms) in [("34.5s", Some(34_500)), ("0s", None), ("-3s", None), ("soon", None)] {
        let body = json!({"error": {"message": "slow down", "details": [{"@type": "x"}, {"retryDelay": delay}]}});
        assert_eq!(error_from(Reply::json(429, body)).await.retry_after_ms, ms, "{delay}");
    }
    let words = error_from(plain.clone().header("retry-after-ms", "6200")).await.message;
    assert_eq!(words, "fake/m-1: too many requests (HTTP 429): slow down. Try again in 7 s.");
    let words = error_from(plain.clone()).await.message;
    assert_eq!(words, "fake/m-1: too many requests (HTTP 429): slow down. Wait a little and try again.");
    for body in [
        json!({"error": {"message": "no", "code": "insufficient_quota"}}),
        says("Check your plan and billing details."),
        says("You are out of credits"),
    ] {
        let error = error_from(Reply::json(429, body)).await;
        assert_eq!((error.kind, error.retryable()), (Kind::Quota, false));
    }
}

#[tokio::test]
async fn the_server_is_quoted_from_every_shape_and_within_bounds() {
    for body in [
        r#"{"error":{"message":"the reason"}}"#,
        r#"{"error":"the reason"}"#,
        r#"{"message":"the reason"}"#,
        r#"{"detail":"the reason"}"#,
        r#"[{"error":{"message":"the reason"}}]"#,
        "the reason\r\n\u{1b}[31m",
    ] {
        let error = error_from(Reply::new(404, "text/plain", body)).await;
        assert!(error.message.contains("the reason"), "{body}: {}", error.message);
        assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
    }
    let page = error_from(Reply::new(502, "text/html", "<html>Bad gateway</html>")).await;
    assert!(!page.message.contains("html"), "{}", page.message);
    let endless = error_from(Reply::json(404, says(&"ü".repeat(5000)))).await;
    assert!(endless.message.ends_with("baseUrl."), "the advice survives: {}", endless.message);
}

#[tokio::test]
async fn an_endless_error_body_does_not_hold_the_call_up() {
    let fake = Fake::always(Reply { steps: vec![Step::Flood], ..Reply::json(500, json!(0)) }).await;
    let started = Instant::now();
    assert_eq!(error_of(&openai(&fake)).await.http_status, Some(500));
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn nobody_there_is_said_with_the_address() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    for api in [Api::OpenAi, Api::Anthropic] {
        let provider = provider_of(api, &format!("http://127.0.0.1:{port}/v1"), Some(KEY));
        let error = error_of(&provider).await;
        assert_eq!(error.kind, Kind::Network);
        assert!(error.message.contains(&format!("connect to http://127.0.0.1:{port}")), "{}", error.message);
        assert_eq!(provider.models().await.expect_err("an error").kind, Kind::Network);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let thief = Fake::always(Reply::sse("data: [DONE]\n\n")).await;
    let fake = Fake::always(Reply::new(307, "text/plain", "").header("location", &thief.base())).await;
    assert_eq!(error_of(&openai(&fake)).await.kind, Kind::Request);
    assert!(thief.seen().is_empty(), "the key stays where it was meant to go");
}

#[tokio::test]
async fn the_key_and_the_rest_of_the_address_are_never_told() {
    let echo = format!("Incorrect API key provided: {KEY}, or {KEY}{}", "x".repeat(600));
    for api in [Api::OpenAi, Api::Anthropic, Api::Gemini] {
        for reply in [
            Reply::json(401, says(&echo)),
            Reply::new(500, "text/plain", echo.clone()),
            Reply::json(200, says(&echo)),
            Reply::sse(format!("event: error\ndata: {}\n\n", says(&echo))),
            Reply::sse(format!("data: {KEY}\n\n")),
        ] {
            let fake = Fake::always(reply).await;
            let base = format!("http://me:hidden-password@127.0.0.1:{}/v1?token=hidden-token", fake.port);
            let provider = provider_of(api, &base, Some(KEY));
            for error in [error_of(&provider).await, provider.models().await.expect_err("an error")] {
                let told = format!("{error} {error:?}");
                for secret in [KEY, "hidden", "0123456789"] {
                    assert!(!told.contains(secret), "{api:?}: {told}");
                }
            }
            let shown = format!("{provider:?}");
            assert!(!shown.contains(KEY) && !shown.contains("hidden"), "{shown}");
        }
    }
    assert_eq!(format!("{:?}", ApiKey::new(KEY)), "ApiKey(…)");
}

#[test]
fn options_that_cannot_work_are_refused_at_once() {
    let refused = |base: &str, key: &str| {
        GenaiProvider::new(GenaiOptions {
            id: "fake".to_owned(),
            api: Api::OpenAi,
            base_url: Some(base.to_owned()),
            api_key: Some(ApiKey::new(key)),
            models: vec![],
        })
        .err()
        .map(|error| error.kind)
    };
    for base in ["", "localhost:8080", "ftp://x/", "file:///etc/passwd", "nonsense"] {
        assert_eq!(refused(base, KEY), Some(Kind::Request), "{base}");
    }
    assert_eq!(refused("http://127.0.0.1/v1", "two\nlines"), Some(Kind::Auth));
    assert_eq!(refused("http://127.0.0.1/v1", " padded-key\n"), None);
}

#[test]
fn kinds_have_their_names() {
    let kinds = [
        Kind::Auth,
        Kind::RateLimit,
        Kind::Quota,
        Kind::Context,
        Kind::Timeout,
        Kind::Network,
        Kind::Cut,
        Kind::Request,
    ];
    let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names, ["auth", "rate_limit", "quota", "context", "timeout", "network", "cut", "request"]);
}
