//! Branches: a message of the user takes the place of an earlier one, and what followed that one leaves the history.
//! Nothing is destroyed: rows that were left carry the id of the message that took over.

use simpleclaw_protocol::message::Role;

use super::session::SessionRecord;
use super::{StoreError, Tx, word};

/// A branch that was left.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Of the message that was replaced.
    pub from_seq: u64,
    /// Runs that waited in it and were ended with it.
    pub ended: Vec<String>,
    /// The session as the commit leaves it.
    pub session: SessionRecord,
}

/// What a message id stands for in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A message of the user in the history, with its `seq`.
    User(u64),
    /// A message that somebody else wrote.
    Other(Role),
    /// Replaced already.
    Left,
    Nothing,
}

pub async fn target(tx: &mut Tx, session_id: &str, id: &str) -> Result<Target, StoreError> {
    let row: Option<(i64, String, Option<String>)> =
        sqlx::query_as("SELECT seq, role, superseded_by FROM messages WHERE id = ? AND session_id = ?")
            .bind(id)
            .bind(session_id)
            .fetch_optional(tx)
            .await?;
    let Some((seq, role, superseded_by)) = row else { return Ok(Target::Nothing) };
    Ok(match (word(&role)?, superseded_by) {
        (_, Some(_)) => Target::Left,
        (Role::User, None) => Target::User(seq.unsigned_abs()),
        (role, None) => Target::Other(role),
    })
}

/// Takes a user's message and all that followed out of the history, and ends the runs that wait there: how many messages
/// left, and the ids of the runs.
/// `by` takes its place and is not stored yet. An answer to an earlier question stays, even one that came later.
pub async fn leave(
    tx: &mut Tx,
    session: &SessionRecord,
    from_seq: u64,
    by: &str,
    now: i64,
) -> Result<(u64, Vec<String>), StoreError> {
    let from = i64::try_from(from_seq).unwrap_or(i64::MAX);
    let left = sqlx::query(
        "UPDATE messages SET superseded_by = ? WHERE session_id = ? AND seq >= ? AND superseded_by IS NULL \
         AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = messages.run_id AND runs.user_seq < ?)",
    )
    .bind(by)
    .bind(&session.session_id)
    .bind(from)
    .bind(from)
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query("UPDATE sessions SET superseded = superseded + ? WHERE key = ?")
        .bind(i64::try_from(left).unwrap_or(i64::MAX))
        .bind(&session.key)
        .execute(&mut *tx)
        .await?;
    // In the same commit, or a start after a crash would still answer them.
    let ended = sqlx::query_scalar(
        "UPDATE runs SET state = 'aborted', ended_at = ? \
         WHERE session_key = ? AND session_id = ? AND user_seq >= ? AND state = 'queued' RETURNING id",
    )
    .bind(now)
    .bind(&session.key)
    .bind(&session.session_id)
    .bind(from)
    .fetch_all(tx)
    .await?;
    Ok((left, ended))
}

/// The message that took the place of the question of a run, if one did.
pub async fn left_by(tx: &mut Tx, run_id: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT superseded_by FROM messages WHERE run_id = ? AND role = 'user' AND superseded_by IS NOT NULL";
    Ok(sqlx::query_scalar(sql).bind(run_id).fetch_optional(tx).await?)
}
