//! Requests per second over 32 pipelined connections, beside an echo that answers the same size on the same core.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::Bench;
use crate::echo::Echo;
use crate::process;
use crate::socket::{self, Socket};
use crate::stats::Samples;
use crate::table::Row;

const CLIENTS: usize = 32;
/// Requests in flight on each.
const DEPTH: usize = 16;
/// Of the ids, all of one length so that a frame is patched instead of built.
const ID: &str = "00000000";

pub async fn requests(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let size = answer_size(bench).await?;
    let time = Duration::from_secs(if bench.quick { 1 } else { 4 });
    let echo = Echo::start(size)?;
    let alone = bench.pid().and_then(|pid| apart(&[pid, echo.pid()]));
    // In turns, so that a machine that slows down slows both.
    let (mut ours, mut theirs) = (Load::default(), Load::default());
    for _ in 0..2 {
        let mut sockets = Vec::new();
        for _ in 0..CLIENTS {
            sockets.push(Socket::bare(&echo.url).await?);
        }
        theirs.add(load(sockets, time / 2).await?);
        let mut sockets = Vec::new();
        for _ in 0..CLIENTS {
            sockets.push(Socket::open_for(&bench.target, &[]).await?);
        }
        ours.add(load(sockets, time / 2).await?);
    }
    let cores = if alone.is_ok() { "one core each" } else { "not bound to a core" };
    if let Ok(pid) = bench.pid() {
        // Both were bound together or not at all.
        let _ = process::pin(pid, None);
        let _ = process::pin(std::process::id(), None);
    }
    let (rate, echo_rate) = (ours.rate(), theirs.rate());
    let (p99, echo_p99) = (ours.latency.at(0.99), theirs.latency.at(0.99));
    Ok(vec![
        Row::new(format!("bare echo of {size} bytes, {CLIENTS} clients, {cores}"), {
            format!("{echo_rate:.0}/s, p99 {echo_p99:.1} ms")
        }),
        Row::new(format!("agents.list, {CLIENTS} clients, {cores}"), format!("{rate:.0}/s"))
            .budget(">= 80 % of the echo", rate >= 0.8 * echo_rate)
            .ratio(rate / echo_rate),
        Row::new("agents.list, p99 under that load", format!("{p99:.1} ms"))
            .budget("<= 2x the echo's", p99 <= 2.0 * echo_p99)
            .ratio(p99 / echo_p99),
    ])
}

/// Servers on the first core, this process on the second.
fn apart(servers: &[u32]) -> anyhow::Result<()> {
    anyhow::ensure!(std::thread::available_parallelism()?.get() > 1, "one core only");
    process::pin(std::process::id(), Some(1))?;
    servers.iter().try_for_each(|pid| process::pin(*pid, Some(0)))
}

async fn answer_size(bench: &Bench) -> anyhow::Result<usize> {
    let mut socket = Socket::open_for(&bench.target, &[]).await?;
    socket.send("agents.list", json!({})).await?;
    Ok(socket.next_bytes().await?.len())
}

#[derive(Default)]
struct Load {
    latency: Samples,
    time: Duration,
}

impl Load {
    fn add(&mut self, other: Self) {
        self.latency.extend(other.latency);
        self.time += other.time;
    }

    fn rate(&self) -> f64 {
        self.latency.len() as f64 / self.time.as_secs_f64()
    }
}

async fn load(sockets: Vec<Socket>, time: Duration) -> anyhow::Result<Load> {
    let began = Instant::now();
    let clients: Vec<_> = sockets.into_iter().map(|socket| tokio::spawn(client(socket, began + time))).collect();
    let mut load = Load::default();
    for client in clients {
        load.latency.extend(client.await??);
    }
    load.time = began.elapsed();
    Ok(load)
}

/// Keeps [`DEPTH`] requests in flight until the time is over. Answers come in the order of the requests.
async fn client(mut socket: Socket, until: Instant) -> anyhow::Result<Samples> {
    let mut frames = Frames::new()?;
    let (mut sent, mut samples) = (VecDeque::with_capacity(DEPTH), Samples::default());
    for _ in 0..DEPTH {
        sent.push_back(Instant::now());
        socket.ws.feed(Message::Binary(frames.next())).await?;
    }
    socket.ws.flush().await?;
    while let Some(at) = sent.pop_front() {
        while !matches!(socket.ws.next().await.context("closed")??, Message::Binary(_)) {}
        let now = Instant::now();
        samples.push(now - at);
        if now < until {
            sent.push_back(now);
            socket.ws.send(Message::Binary(frames.next())).await?;
        }
    }
    Ok(samples)
}

/// The same request under one id after the other.
struct Frames {
    template: Bytes,
    id_at: usize,
    next: u32,
}

impl Frames {
    fn new() -> anyhow::Result<Self> {
        let template = socket::request(ID, "agents.list", &json!({}))?;
        let id_at = template.windows(ID.len()).position(|part| part == ID.as_bytes()).context("the id")?;
        Ok(Self { template, id_at, next: 0 })
    }

    fn next(&mut self) -> Bytes {
        let mut frame = BytesMut::from(&self.template[..]);
        let mut number = self.next;
        self.next += 1;
        for digit in frame[self.id_at..self.id_at + ID.len()].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        frame.freeze()
    }
}
