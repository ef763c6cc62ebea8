//! From a provider's byte to a client's delta, to one client and to many; and how fast Stop is.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::json;

use super::Bench;
use crate::model::now_us;
use crate::socket::{self, Socket};
use crate::stats::Samples;
use crate::table::Row;

const RATE: usize = 100;
const READERS: usize = 50;

pub async fn stream(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    bench.home()?;
    let mut delay = one_run(bench).await?;
    let (p50, p99) = (delay.at(0.5), delay.at(0.99));
    let burst = fan_out(bench).await?;
    let rate = burst.deltas as f64 / burst.time.as_secs_f64();
    Ok(vec![
        Row::new(format!("provider byte to client delta, {RATE}/s, p99 (p50)"), format!("{p99:.2} ms ({p50:.2})"))
            .budget("p99 <= 1 ms", p99 <= 1.0),
        Row::new(format!("deltas of one run delivered to {READERS} clients"), {
            format!("{rate:.0}/s ({:.1} a frame)", burst.deltas as f64 / burst.frames as f64)
        })
        .budget(">= 200,000/s", rate >= 200_000.0),
    ])
}

/// Each delta says when it left the model.
async fn one_run(bench: &Bench) -> anyhow::Result<Samples> {
    let mut socket = Socket::open_for(&bench.target, &["chat.event"]).await?;
    let (run, params) = socket::message("agent:main:paced", &format!("paced {} {RATE}", bench.rounds(400)));
    socket.send("chat.send", params).await?;
    let mut samples = Samples::default();
    loop {
        let frame = socket.next().await?;
        let now = now_us();
        if frame["state"] == "final" && frame["runId"] == run.as_str() {
            return Ok(samples);
        }
        let sent = frame["delta"].as_str().and_then(|delta| delta.trim().strip_prefix('@')?.parse::<u64>().ok());
        if let Some(sent) = sent {
            samples.push(Duration::from_micros(now.saturating_sub(sent)));
        }
    }
}

struct Burst {
    deltas: usize,
    frames: usize,
    time: Duration,
}

/// One run of many deltas to many readers; from the send to the last reader's end.
async fn fan_out(bench: &Bench) -> anyhow::Result<Burst> {
    let deltas = bench.rounds(20_000);
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(Socket::open_for(&bench.target, &["chat.event"]).await?);
    }
    let mut sender = Socket::open_for(&bench.target, &[]).await?;
    let (_, params) = socket::message("agent:main:burst", &format!("burst {deltas}"));
    let began = Instant::now();
    sender.call("chat.send", params).await?;
    let readers: Vec<_> = readers
        .into_iter()
        .map(|mut reader| {
            tokio::spawn(async move {
                let mut frames = 0;
                while !is_final(&reader.next_bytes().await?) {
                    frames += 1;
                }
                anyhow::Ok(frames)
            })
        })
        .collect();
    let mut frames = 0;
    for reader in readers {
        frames += reader.await??;
    }
    Ok(Burst { deltas: deltas * READERS, frames, time: began.elapsed() })
}

/// Without decoding: the words of the answer hold no such sequence.
fn is_final(frame: &Bytes) -> bool {
    const FINAL: &[u8] = b"\xa5state\xa5final";
    frame.windows(FINAL.len()).take(200).any(|part| part == FINAL)
}

/// `chat.abort` of a run that waits for its model.
pub async fn stop(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    bench.home()?;
    let mut socket = Socket::open_for(&bench.target, &["chat.event"]).await?;
    let (mut answered, mut ended) = (Samples::default(), Samples::default());
    for _ in 0..bench.rounds(50) {
        let (run, params) = socket::message("agent:main:stop", "hold");
        socket.call("chat.send", params).await?;
        while socket.next().await?["state"] != "delta" {}
        let began = Instant::now();
        let stopped = socket.call("chat.abort", json!({ "sessionKey": "agent:main:stop" })).await?;
        answered.push(began.elapsed());
        stopped["aborted"].as_bool().filter(|aborted| *aborted).context("nothing was stopped")?;
        socket.until_end(&run).await?;
        ended.push(began.elapsed());
    }
    let (answered, ended) = (answered.at(0.99), ended.at(0.99));
    Ok(vec![
        Row::new("stop acknowledged (run ended), p99", format!("{answered:.2} ms ({ended:.2})"))
            .budget("<= 200 ms", answered <= 200.0),
    ])
}
