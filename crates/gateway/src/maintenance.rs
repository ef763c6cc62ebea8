//! Housekeeping: expired keys, for now. Logs keep their own limit.

use std::time::Duration;

use crate::clock::Clock;
use crate::store::{self, Store, StoreError};

const EVERY: Duration = Duration::from_secs(6 * 60 * 60);

/// Cleans up once.
pub async fn run(store: &Store, clock: Clock) -> Result<u64, StoreError> {
    let now = clock.now_ms();
    store.write(move |tx| Box::pin(store::idempotency::expire(tx, now))).await
}

/// Cleans up now and then.
pub async fn keep(store: Store, clock: Clock) {
    loop {
        tokio::time::sleep(EVERY).await;
        match run(&store, clock).await {
            Ok(expired) => tracing::debug!(expired, "expired idempotency keys"),
            Err(error) => {
                tracing::warn!(target: "diagnostic", source = "maintenance", code = "maintenance.failed", "{error}")
            }
        }
    }
}
