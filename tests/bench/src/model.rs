//! A scripted model with the OpenAI shape, inside this process so that both ends of a measurement share a clock.
//!
//! The last message of a request says what to answer: `instant`; `paced N RATE`: N deltas, RATE a second, each with
//! the time at which it left ([`now_us`]); `burst N`: N deltas as fast as they are taken; `hold`: one delta and then
//! silence.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};

/// Deltas of a burst that leave in one write.
const BURST_CHUNK: u64 = 50;

/// Microseconds since the first call in this process.
pub fn now_us() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Serves for as long as the process lives; the base address of the provider.
pub async fn serve() -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/v1/chat/completions", post(answer));
    // Without it the next delta waits until the gateway's kernel has acknowledged the one before, up to 40 ms.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/v1"))
}

async fn answer(Json(request): Json<Value>) -> Response {
    let script = request["messages"]
        .as_array()
        .and_then(|all| all.last())
        .map_or("", |last| last["content"].as_str().unwrap_or_default());
    let words: Vec<&str> = script.split(' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok()).unwrap_or(1);
    let parts: BoxStream<'static, Bytes> = match words.first().copied() {
        Some("paced") => paced(number(1), number(2)),
        Some("burst") => burst(number(1)),
        Some("hold") => stream::iter([delta("…")]).chain(stream::pending()).boxed(),
        _ => stream::iter([delta("ok"), end()]).boxed(),
    };
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(parts.map(Ok::<_, std::io::Error>))).into_response()
}

fn paced(count: u64, rate: u64) -> BoxStream<'static, Bytes> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let deltas = stream::unfold((ticks, 0), move |(mut ticks, sent)| async move {
        ticks.tick().await;
        (sent < count).then(|| (delta(&format!("@{} ", now_us())), (ticks, sent + 1)))
    });
    deltas.chain(stream::iter([end()])).boxed()
}

fn burst(count: u64) -> BoxStream<'static, Bytes> {
    let chunk = Bytes::from(delta("word ").repeat(usize::try_from(BURST_CHUNK).unwrap_or(1)));
    let chunks = usize::try_from(count / BURST_CHUNK).unwrap_or(1);
    stream::repeat(chunk).take(chunks).chain(stream::iter([end()])).boxed()
}

fn delta(text: &str) -> Bytes {
    format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })).into()
}

fn end() -> Bytes {
    let finish = json!({
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1 },
    });
    format!("data: {finish}\n\ndata: [DONE]\n\n").into()
}
