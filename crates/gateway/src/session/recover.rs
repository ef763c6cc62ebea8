//! What a start makes of the runs that had not ended.

use std::collections::HashSet;

use simpleclaw_protocol::message::RunState;

use crate::clock::Clock;
use crate::inbox;
use crate::store::{RunRow, Store, StoreError};
use crate::turn;

/// Ends the tasks of sub-agents as `INTERRUPTED`, those too that wait for a person or for their turn: whoever waited for
/// what they come to is gone, and a stop where they were started would not reach them. To be called before the questions
/// are looked at, so that theirs are withdrawn. Gives back how many were ended.
pub async fn end_tasks(store: &Store, clock: Clock) -> Result<usize, StoreError> {
    let tasks = store.open_tasks(inbox::AGENTS).await?;
    interrupt(store, clock, tasks).await
}

/// Settles what the last life of the gateway left open: runs that were going end as `INTERRUPTED`, waiting ones wait
/// again, and so do those whose question still waits for an answer (`parked`). Gives back the waiting ones, oldest first,
/// and how many were ended.
pub async fn recover(
    store: &Store,
    clock: Clock,
    parked: &HashSet<String>,
) -> Result<(Vec<RunRow>, usize), StoreError> {
    let (waiting, cut): (Vec<_>, Vec<_>) =
        store.open_runs().await?.into_iter().partition(|run| run.state == RunState::Queued || parked.contains(&run.id));
    Ok((waiting, interrupt(store, clock, cut).await?))
}

async fn interrupt(store: &Store, clock: Clock, runs: Vec<RunRow>) -> Result<usize, StoreError> {
    let ended = runs.len();
    for run in runs {
        let now = clock.now_ms();
        store.write(move |tx| Box::pin(turn::interrupt(tx, run, now))).await?;
    }
    Ok(ended)
}
