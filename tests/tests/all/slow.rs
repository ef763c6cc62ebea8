//! Readers that cannot keep up: they slow nobody down, and are served completely or closed (trust.md P5).

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Model, Step};
use simpleclaw_tests::raw::{Opening, is_chat, is_terminal};
use simpleclaw_tests::{Encoding, Gateway, RawClient, Received, within};

use crate::chat::send;

const READERS: usize = 15;
const STOPPED: usize = 5;
/// Of each run; far more than what the kernels hold for a client that does not read.
const DELTAS: usize = 240;
const DELTA_BYTES: usize = 8 * 1024;

async fn client(gateway: &Gateway, encoding: Encoding, receive_buffer: Option<u32>) -> RawClient {
    let opening = Opening { receive_buffer, ..Opening::default() };
    let mut client = RawClient::open(gateway.port, encoding, &opening).await.expect("the upgrade");
    client.checks_events = false;
    assert_eq!(client.handshake(gateway.params(json!({}))).await["ok"], true);
    client
}

/// Twenty clients, five of which stop reading in the middle of a fast answer: the others get every event, whole and in
/// order; the stopped ones are closed within 10 s; the gateway's memory stays bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_readers_cost_the_others_nothing() {
    let model = Model::start().await;
    let gate = Gate::new();
    let delta = "x".repeat(DELTA_BYTES);
    let mut steps = vec![Step::Delta(delta.clone()), gate.step()];
    steps.extend(std::iter::repeat_n(Step::Delta(delta), DELTAS - 1));
    let sent = DELTAS * DELTA_BYTES;
    steps.push(Step::Done);
    let runs = ["r1", "r2", "r3"];
    model.script(runs.map(|_| Answer::Stream(steps.clone())));
    let gateway = Gateway::with_config(&model.config("")).await;
    let mut readers = Vec::new();
    for number in 0..READERS {
        let client = client(&gateway, Encoding::ALL[number % 2], None).await;
        readers.push(client);
    }
    let mut stopped = Vec::new();
    for number in 0..STOPPED {
        stopped.push(client(&gateway, Encoding::ALL[number % 2], Some(4096)).await);
    }
    let mut sender = client(&gateway, Encoding::Msgpack, None).await;
    sender.ok("events.subscribe", json!({ "events": ["tick"] })).await;
    for run in runs {
        sender.ok("chat.send", send(&format!("agent:main:{run}"), "go", run)).await;
    }
    for client in &mut stopped {
        client.event_where("the first text", |event| event["state"] == "delta").await;
    }
    let before = gateway.rss();
    // From here on the five take nothing.
    let began = Instant::now();
    let all: Vec<_> = readers.into_iter().map(|client| tokio::spawn(follow_all(client, sent))).collect();
    for _ in runs {
        gate.open();
    }
    for reader in all {
        within(Duration::from_secs(60), "every event", reader).await.expect("a reader that keeps up is served whole");
    }
    let whole = began.elapsed();
    let grown = gateway.rss().saturating_sub(before);
    // What `maxBufferedBytes` allows for all of them together.
    let allowed = (READERS + STOPPED) as u64 * 8 * 1024 * 1024;
    assert!(grown < allowed, "memory grew by {} MiB", grown / 1024 / 1024);
    // Only the sender is left.
    while sender.ok("status", json!({})).await["connections"] != json!(1) {
        assert!(began.elapsed() < whole + Duration::from_secs(10), "stopped readers are still connected");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for mut client in stopped {
        let code = end_of(&mut client).await;
        assert!(matches!(code, None | Some(1008)), "{code:?}");
    }
}

/// Reads until all three runs have ended.
async fn follow_all(mut client: RawClient, sent: usize) {
    let mut runs: std::collections::HashMap<String, (u64, usize, bool)> = Default::default();
    while runs.len() < 3 || runs.values().any(|(_, _, over)| !over) {
        let event = match client.receive_within(Duration::from_secs(60)).await {
            Received::Frame(frame) if is_chat(&frame) => frame,
            Received::Frame(_) => continue,
            Received::Closed(code) => panic!("a reader that keeps up was closed with {code:?}"),
        };
        let (next, bytes, over) = runs.entry(event["runId"].as_str().expect("a run").to_owned()).or_default();
        let from = event["indexFrom"].as_u64().or(event["index"].as_u64()).expect("an index");
        assert_eq!((from, *over), (*next, false), "the indices have a hole, or go on after the end");
        *next = event["index"].as_u64().expect("an index") + 1;
        *bytes += event["delta"].as_str().map_or(0, str::len);
        *over = is_terminal(&event);
    }
    for (run, (_, bytes, _)) in runs {
        assert_eq!(bytes, sent, "the text of {run}");
    }
    client.close().await;
}

/// What a stopped reader finds when it looks again: what was under way, then the end.
async fn end_of(client: &mut RawClient) -> Option<u16> {
    loop {
        if let Received::Closed(code) = client.receive().await {
            return code;
        }
    }
}

/// The figure of P5: fifty clients at a thousand events a second, of which ten stop: the gateway grows by less than
/// 64 MiB, the ten are closed, and the forty miss nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_stopped_readers_of_fifty_cost_little_memory() {
    const EVENTS: usize = 10_000;
    let (model, gate) = (Model::start().await, Gate::new());
    let mut steps = vec![Step::Delta("x".repeat(200)), gate.step()];
    // Ten at a time: a timer of one millisecond keeps no thousand a second on a busy machine.
    for _ in 0..EVENTS / 10 {
        steps.extend(std::iter::repeat_n(Step::Delta("x".repeat(200)), 10));
        steps.push(Step::Pause(Duration::from_millis(10)));
    }
    steps.push(Step::Done);
    model.script([Answer::Stream(steps)]);
    let gateway = Gateway::with_config(&model.config("")).await;
    let (mut readers, mut stopped) = (Vec::new(), Vec::new());
    for number in 0..40 {
        readers.push(client(&gateway, Encoding::ALL[number % 2], None).await);
    }
    for number in 0..10 {
        stopped.push(client(&gateway, Encoding::ALL[number % 2], Some(4096)).await);
    }
    let mut sender = client(&gateway, Encoding::Msgpack, None).await;
    sender.ok("events.subscribe", json!({ "events": ["tick"] })).await;
    sender.ok("chat.send", send("main", "go", "r")).await;
    for client in readers.iter_mut().chain(&mut stopped) {
        client.event_where("the first text", |event| event["state"] == "delta").await;
    }
    let before = gateway.rss();
    gate.open();
    let all: Vec<_> = readers.into_iter().map(|client| tokio::spawn(follow_from(client, 2))).collect();
    let mut most = 0;
    let began = Instant::now();
    while sender.ok("status", json!({})).await["connections"] != json!(41) {
        most = most.max(gateway.rss());
        assert!(began.elapsed() < Duration::from_secs(30), "stopped readers are still connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for reader in all {
        let (_, bytes) = reader.await.expect("a reader").expect("a reader that keeps up is served whole");
        assert_eq!(bytes, EVENTS * 200);
    }
    let grown = most.saturating_sub(before) / 1024 / 1024;
    assert!(grown < 64, "memory grew by {grown} MiB");
}

/// A reader that pauses for a while gets its deltas merged, and they tile exactly; nothing is lost and nothing is over
/// 4 MiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn merged_deltas_tile() {
    let model = Model::start().await;
    let gate = Gate::new();
    // Many small ones: what waits stays far below the limit at which a reader is closed.
    let mut steps = vec![Step::Delta("start".into()), gate.step()];
    steps.extend((0..20_000).map(|number| Step::Delta(format!("{number:063} "))));
    steps.push(Step::Done);
    let gateway = Gateway::with_config(&model.config("")).await;
    model.script([Answer::Stream(steps)]);
    let mut sender = client(&gateway, Encoding::Msgpack, None).await;
    let mut slow = Vec::new();
    for encoding in Encoding::ALL {
        slow.push(client(&gateway, encoding, Some(4096)).await);
    }
    sender.ok("chat.send", send("main", "go", "r")).await;
    for client in &mut slow {
        client.event_where("the first text", |event| event["state"] == "delta").await;
    }
    gate.open();
    sender.event_where("the middle", |event| event["index"].as_u64() > Some(10_000) && is_chat(event)).await;
    let both = slow.into_iter().map(|client| tokio::spawn(follow_from(client, 2)));
    let both = both.collect::<Vec<_>>();
    // The sender reads on meanwhile: on a busy machine the others take longer than a peer may leave a ping unanswered.
    sender.run_to_end("r").await;
    for reader in both {
        let (merged, bytes) = reader.await.expect("a reader").expect("it took bytes again in time");
        assert_eq!(bytes, 20_000 * 64);
        assert!(merged > 0, "a reader behind by thousands of deltas had none merged");
    }
}

/// Reads a run whose first events were read already; how many deltas were merged ones, and their bytes.
async fn follow_from(mut client: RawClient, mut next: u64) -> Result<(u64, usize), Option<u16>> {
    let (mut bytes, mut merged) = (0, 0);
    loop {
        let event: Value = match client.receive_within(Duration::from_secs(60)).await {
            Received::Frame(frame) if is_chat(&frame) => frame,
            Received::Frame(_) => continue,
            Received::Closed(code) => return Err(code),
        };
        let from = event["indexFrom"].as_u64().or(event["index"].as_u64()).expect("an index");
        assert_eq!(from, next, "a hole before {} bytes", bytes);
        next = event["index"].as_u64().expect("an index") + 1;
        merged += u64::from(event["indexFrom"].is_u64());
        bytes += event["delta"].as_str().map_or(0, str::len);
        if is_terminal(&event) {
            return Ok((merged, bytes));
        }
    }
}

/// A peer that answers no ping is gone: 25 s after the ping that it left unanswered it is closed, and its place is free.
#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed() {
    let gateway = Gateway::start().await;
    let mut silent = client(&gateway, Encoding::Json, None).await;
    let mut other = gateway.connect(Encoding::Msgpack).await;
    let began = Instant::now();
    // A pong is only sent by whoever reads.
    while other.ok("status", json!({})).await["connections"] != json!(1) {
        assert!(began.elapsed() < Duration::from_secs(70), "the silent one is still connected");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(began.elapsed() > Duration::from_secs(45), "closed after {:?} already", began.elapsed());
    assert_eq!(end_of(&mut silent).await, Some(1008));
}
