//! Table `idempotency`: the first answer to a key, for every changing method but the sends (their key is the run's id).

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{StoreError, Tx};

/// How long a key is kept.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Who says which key to which method, with which body.
#[derive(Debug, Clone)]
pub struct Claim {
    pub principal: String,
    pub method: &'static str,
    pub key: String,
    pub body_hash: Vec<u8>,
}

/// What is compared where a key comes again: SHA-256 over the params as JSON, their members sorted.
pub fn body_hash(mut params: Value) -> Vec<u8> {
    params.sort_all_objects();
    Sha256::digest(params.to_string()).to_vec()
}

/// What was found under a claim.
pub enum Found {
    Nothing,
    /// The same body: this was the answer.
    Answer(Value),
    OtherBody,
}

pub async fn find(tx: &mut Tx, claim: &Claim) -> Result<Found, StoreError> {
    let row: Option<(Vec<u8>, String)> =
        sqlx::query_as("SELECT body_hash, result FROM idempotency WHERE principal = ? AND method = ? AND key = ?")
            .bind(&claim.principal)
            .bind(claim.method)
            .bind(&claim.key)
            .fetch_optional(tx)
            .await?;
    Ok(match row {
        None => Found::Nothing,
        Some((hash, result)) if hash == claim.body_hash => Found::Answer(serde_json::from_str(&result)?),
        Some(_) => Found::OtherBody,
    })
}

pub async fn keep(tx: &mut Tx, claim: &Claim, result: &Value, now: i64) -> Result<(), StoreError> {
    sqlx::query("INSERT OR IGNORE INTO idempotency (principal, method, key, body_hash, result, created_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&claim.principal)
        .bind(claim.method)
        .bind(&claim.key)
        .bind(&claim.body_hash)
        .bind(result.to_string())
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets keys past their time; how many.
pub async fn expire(tx: &mut Tx, now: i64) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM idempotency WHERE created_at < ?").bind(now - KEPT_MS).execute(tx).await?;
    Ok(done.rows_affected())
}
