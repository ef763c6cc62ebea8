//! Housekeeping: expired keys, old model calls, questions decided long ago, files that no message has, temporary files of
//! sessions that are over. Logs keep their own limit.

use std::time::Duration;

use crate::attachments::Attachments;
use crate::clock::Clock;
use crate::store::{self, Store, StoreError};
use crate::tool::Temp;

/// Decided questions are shown for so long; the record of them stays.
const DECIDED_KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// Temporary files of a session are kept for so long after its last message.
const TEMP_KEPT_MS: i64 = 10 * 24 * 60 * 60 * 1000;
const EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Cleans up at once, and then now and then.
pub async fn keep(store: Store, attachments: Attachments, temp: Temp, clock: Clock) {
    loop {
        match run(&store, &attachments, &temp, clock).await {
            Ok((expired, swept, temp)) => {
                tracing::debug!(
                    expired,
                    swept,
                    temp,
                    "expired idempotency keys, swept files, folders of temporary files"
                )
            }
            Err(error) => {
                tracing::warn!(target: "diagnostic", source = "maintenance", code = "maintenance.failed", "{error}")
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn run(
    store: &Store,
    attachments: &Attachments,
    temp: &Temp,
    clock: Clock,
) -> Result<(u64, u64, u64), StoreError> {
    let now = clock.now_ms();
    let expired = store.write(move |tx| Box::pin(store::idempotency::expire(tx, now))).await?;
    let before = clock.day(now).text_before(store::usage::KEPT_DAYS);
    store.write(move |tx| Box::pin(async move { store::usage::expire(tx, &before).await })).await?;
    store.write(move |tx| Box::pin(store::approval::forget(tx, now - DECIDED_KEPT_MS, now))).await?;
    Ok((expired, attachments.sweep(store).await?, temp.sweep(store, now - TEMP_KEPT_MS).await?))
}
