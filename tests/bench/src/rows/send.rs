//! How long an acknowledgement takes that only goes out once the message is on the disk.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Bench;
use crate::socket::{self, Socket};
use crate::stats::Samples;
use crate::table::Row;

const SESSIONS: usize = 32;

pub async fn send(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let rounds = bench.rounds(200);
    let mut fsync = raw_fsync(bench.home()?, rounds)?;
    let fsync = fsync.at(0.5);
    let mut one = one_client(bench, rounds).await?;
    let (p50, p99) = (one.at(0.5), one.at(0.99));
    let each = bench.rounds(150);
    let mut group = many_clients(bench, each).await?;
    let rate = group.acknowledged as f64 / group.sending.as_secs_f64();
    let runs = group.acknowledged as f64 / group.running.as_secs_f64();
    let group_p50 = group.latency.at(0.5);
    Ok(vec![
        Row::new("4 KB and fsync of a plain file, p50", format!("{fsync:.2} ms")),
        Row::new("chat.send acknowledged, one client, p50 (p99)", format!("{p50:.2} ms ({p99:.2})"))
            .budget(format!("<= {:.2} ms (fsync + 1)", fsync + 1.0), p50 <= fsync + 1.0)
            .ratio(p50 / fsync),
        Row::new(format!("chat.send acknowledged, {SESSIONS} clients, p50"), format!("{group_p50:.2} ms"))
            .budget(format!("<= {:.2} ms (2 fsync + 2)", 2.0 * fsync + 2.0), group_p50 <= 2.0 * fsync + 2.0)
            .ratio(group_p50 / fsync),
        Row::new(format!("chat.send acknowledged over {SESSIONS} sessions, agents paused"), format!("{rate:.0}/s"))
            .budget(">= 1,000/s", rate >= 1_000.0),
        Row::new("their runs after that, from resume to the last end", format!("{runs:.0}/s")),
    ])
}

fn raw_fsync(folder: &Path, rounds: usize) -> anyhow::Result<Samples> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.as_file().sync_data()?;
        samples.push(began.elapsed());
    }
    Ok(samples)
}

/// One message after the other, each once the run before it has ended.
async fn one_client(bench: &Bench, rounds: usize) -> anyhow::Result<Samples> {
    let mut socket = Socket::open_for(&bench.target, &["chat.event", "session.changed"]).await?;
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let (run, params) = socket::message("agent:main:one", "instant");
        let began = Instant::now();
        socket.call("chat.send", params).await?;
        samples.push(began.elapsed());
        socket.until_end(&run).await?;
        // The last event of a run: nothing of it is under way after that.
        while socket.next().await?["type"] != "session.changed" {}
    }
    Ok(samples)
}

struct Group {
    latency: Samples,
    acknowledged: usize,
    sending: Duration,
    running: Duration,
}

/// A client for each session, each with one message in flight, while agents are paused; then all of it is answered.
async fn many_clients(bench: &Bench, each: usize) -> anyhow::Result<Group> {
    let mut control = Socket::open_for(&bench.target, &["chat.event"]).await?;
    control.call("gateway.pause", json!({})).await?;
    let mut sockets = Vec::new();
    for _ in 0..SESSIONS {
        sockets.push(Socket::open_for(&bench.target, &[]).await?);
    }
    let began = Instant::now();
    let clients: Vec<_> = sockets
        .into_iter()
        .enumerate()
        .map(|(number, mut socket)| {
            tokio::spawn(async move {
                let mut samples = Samples::default();
                for _ in 0..each {
                    let (_, params) = socket::message(&format!("agent:main:group-{number}"), "instant");
                    let began = Instant::now();
                    socket.call("chat.send", params).await?;
                    samples.push(began.elapsed());
                }
                anyhow::Ok(samples)
            })
        })
        .collect();
    let mut latency = Samples::default();
    for client in clients {
        latency.extend(client.await??);
    }
    let sending = began.elapsed();
    let acknowledged = latency.len();
    // Merely asking is cheap, and following every event would slow what is measured.
    control.call("events.subscribe", json!({ "events": [] })).await?;
    let began = Instant::now();
    control.call("gateway.resume", json!({})).await?;
    loop {
        let status = control.call("status", json!({})).await?;
        if status["runs"]["active"] == 0 && status["runs"]["queued"] == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Group { latency, acknowledged, sending, running: began.elapsed() })
}
