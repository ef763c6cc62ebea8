//! What the gateway costs while nothing happens, alone and with many connections.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Bench;
use crate::process;
use crate::socket::Socket;
use crate::table::Row;

pub async fn idle(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let pid = bench.pid()?;
    // What follows a start, such as the first checkpoint, is not idleness.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let seconds = bench.rounds(10) as f64;
    let (before, wrote_before) = process::used(pid)?;
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let (after, wrote) = process::used(pid)?;
    let percent = (after - before) / seconds * 100.0;
    let megabytes = process::pss(pid)? as f64 / 1e6;
    let bytes = wrote - wrote_before;
    Ok(vec![
        Row::new("idle memory (PSS), no connection", format!("{megabytes:.1} MB"))
            .budget("<= 25 MB", megabytes <= 25.0),
        Row::new(format!("idle processor time over {seconds} s"), format!("{percent:.3} % of a core"))
            .budget("<= 0.2 %", percent <= 0.2),
        Row::new("written to disk meanwhile", format!("{bytes} bytes")).budget("none", bytes == 0),
    ])
}

/// Memory, time to join, and time of a call, with more and more connections that only listen.
pub async fn curve(bench: &mut Bench) -> anyhow::Result<Vec<Row>> {
    let pid = bench.pid()?;
    let steps: &[usize] = if bench.quick { &[10, 100] } else { &[10, 100, 1000] };
    let base = process::pss(pid)?;
    let mut caller = Socket::open_for(&bench.target, &[]).await?;
    let mut open = Vec::new();
    let mut rows = Vec::new();
    for &count in steps {
        let (began, before) = (Instant::now(), open.len());
        while open.len() < count {
            open.push(Socket::open(&bench.target).await?);
            // As a real client would: what came so far is taken.
            let last = open.len() - 1;
            drain_some(&mut open, last).await?;
        }
        let join = began.elapsed().as_secs_f64() * 1e3 / (count - before) as f64;
        settle(&mut open).await;
        let kilobytes = process::pss(pid)?.saturating_sub(base) as f64 / 1e3 / count as f64;
        let calls = bench.rounds(200);
        let began = Instant::now();
        for _ in 0..calls {
            caller.call("agents.list", json!({})).await?;
        }
        let call = began.elapsed().as_secs_f64() * 1e6 / calls as f64;
        let measured = format!("{kilobytes:.1} KB, {join:.2} ms, {call:.0} us");
        let row = Row::new(format!("{count} idle connections: memory each, join, a call beside"), measured);
        rows.push(row.budget("<= 20 KB each", kilobytes <= 20.0));
    }
    Ok(rows)
}

/// Reads what waits at one of the connections in turn.
async fn drain_some(open: &mut [Socket], turn: usize) -> anyhow::Result<()> {
    // A step that is no divisor of the counts reaches all of them in time.
    let at = turn * 7 % open.len();
    if let Some(socket) = open.get_mut(at) {
        while let Ok(frame) = tokio::time::timeout(Duration::ZERO, socket.next_bytes()).await {
            frame?;
        }
    }
    Ok(())
}

/// Reads everything away until it is quiet.
async fn settle(open: &mut [Socket]) {
    let quiet = open.iter_mut().map(|socket| async move {
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(1_500), socket.next_bytes()).await {}
    });
    futures_util::future::join_all(quiet).await;
}
