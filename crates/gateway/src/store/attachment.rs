//! Table `attachments`: which message carries which file. The files themselves are `crate::attachments`'.

use std::collections::HashSet;

use simpleclaw_protocol::message::Attached;
use sqlx::Row as _;

use super::{Store, StoreError, Tx};

impl Store {
    pub async fn attachment(&self, id: &str) -> Result<Option<Attached>, StoreError> {
        let row = sqlx::query("SELECT * FROM attachments WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Attached {
            attachment_id: row.try_get("id")?,
            name: row.try_get("name")?,
            mime_type: row.try_get("mime_type")?,
            size_bytes: row.try_get::<i64, _>("size_bytes")?.unsigned_abs(),
            sha256: row.try_get("sha256")?,
        }))
    }

    /// The hashes of all files that any message carries.
    pub async fn attached_contents(&self) -> Result<HashSet<String>, StoreError> {
        let hashes: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT sha256 FROM attachments").fetch_all(&self.readers).await?;
        Ok(hashes.into_iter().collect())
    }
}

/// Notes what a message carries.
pub async fn insert(tx: &mut Tx, message_id: &str, attached: &Attached, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attachments (id, message_id, sha256, name, mime_type, size_bytes, created_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&attached.attachment_id)
    .bind(message_id)
    .bind(&attached.sha256)
    .bind(&attached.name)
    .bind(&attached.mime_type)
    .bind(i64::try_from(attached.size_bytes).unwrap_or(i64::MAX))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}
