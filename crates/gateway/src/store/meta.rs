//! Table `meta`: single facts that survive a restart.

use super::{Store, StoreError, Tx};

impl Store {
    /// Whether all agents are paused.
    pub async fn paused(&self) -> Result<bool, StoreError> {
        let value: Option<String> =
            sqlx::query_scalar("SELECT value FROM meta WHERE key = 'paused'").fetch_optional(&self.readers).await?;
        Ok(value.is_some_and(|value| value == "1"))
    }
}

pub async fn set_paused(tx: &mut Tx, paused: bool) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('paused', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(if paused { "1" } else { "0" })
    .execute(tx)
    .await?;
    Ok(())
}
