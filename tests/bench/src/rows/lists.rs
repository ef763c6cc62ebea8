//! Reads of a large history.

use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};

use super::Bench;
use crate::socket::Socket;
use crate::stats::Samples;
use crate::table::Row;
use crate::{seed, target};

pub async fn lists(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    bench.restart(async |home| seed::fill(&target::database(home)).await).await?;
    let mut socket = Socket::open_for(&bench.target, &[]).await?;
    let rounds = bench.rounds(200);
    let newest = json!({ "sessionKey": seed::LONG, "limit": 200 });
    let middle = json!({ "sessionKey": seed::LONG, "limit": 200, "before": format!("long-{}", seed::MESSAGES / 2) });
    let mut rows = Vec::new();
    for (what, params) in [("the newest 200", newest), ("200 from the middle", middle)] {
        let page = socket.call("chat.history", params.clone()).await?;
        ensure!(page["messages"].as_array().is_some_and(|all| all.len() == 200), "200 messages");
        let mut samples = measure(&mut socket, "chat.history", &params, rounds).await?;
        let (p50, p99) = (samples.at(0.5), samples.at(0.99));
        let what = format!("chat.history, {what} of {}, p99 (p50)", seed::MESSAGES);
        rows.push(Row::new(what, format!("{p99:.2} ms ({p50:.2})")).budget("p99 <= 5 ms", p99 <= 5.0));
    }
    let page = socket.call("sessions.list", json!({})).await?;
    ensure!(page["total"].as_u64() >= Some(u64::from(seed::SESSIONS)), "all sessions");
    let mut samples = measure(&mut socket, "sessions.list", &json!({}), rounds).await?;
    let (p50, p99) = (samples.at(0.5), samples.at(0.99));
    let what = format!("sessions.list, first page of {}, p99 (p50)", seed::SESSIONS);
    rows.push(Row::new(what, format!("{p99:.2} ms ({p50:.2})")).budget("<= 10 ms", p99 <= 10.0));
    Ok(rows)
}

async fn measure(socket: &mut Socket, method: &str, params: &Value, rounds: usize) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..rounds {
        let began = Instant::now();
        socket.send(method, params.clone()).await?;
        // The first byte of the frame would be too early, decoding it here too late.
        socket.next_bytes().await?;
        samples.push(began.elapsed());
    }
    Ok(samples)
}
