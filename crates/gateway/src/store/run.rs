//! Table `runs`: each accepted send and what it came to. Its id is the idempotency key of the send.

use serde::{Deserialize, Serialize};
use simpleclaw_protocol::message::{RunError, RunState};
use simpleclaw_protocol::methods::chat::Thinking;
use simpleclaw_protocol::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, to_word, word};

/// What one send asked for beside its message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// An accepted run, still `queued`.
#[derive(Debug, Clone)]
pub struct NewRun {
    pub id: String,
    pub body_hash: Vec<u8>,
    pub session_key: String,
    pub session_id: String,
    pub agent_id: String,
    pub user_message_id: String,
    pub user_seq: u64,
    pub options: RunOptions,
}

/// One stored run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub id: String,
    pub body_hash: Vec<u8>,
    pub session_key: String,
    pub session_id: String,
    pub agent_id: String,
    pub state: RunState,
    pub user_message_id: String,
    pub user_seq: u64,
    pub options: RunOptions,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub error: Option<RunError>,
}

const OPEN: &str = "state IN ('queued', 'running', 'waiting_approval')";

impl Store {
    pub async fn run(&self, id: &str) -> Result<Option<RunRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM runs WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// Every run that has not ended, oldest first within its session.
    pub async fn open_runs(&self) -> Result<Vec<RunRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!("SELECT * FROM runs WHERE {OPEN} ORDER BY session_key, user_seq"));
        sqlx::query(sql).fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    /// Those of them that are the tasks of sub-agents: in the session of one, and by this channel.
    pub async fn open_tasks(&self, channel: &str) -> Result<Vec<RunRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT runs.* FROM runs JOIN sessions ON sessions.key = runs.session_key \
             JOIN messages ON messages.id = runs.user_message_id \
             WHERE runs.{OPEN} AND sessions.parent_run IS NOT NULL \
             AND json_extract(messages.body, '$.origin.channel') = ?"
        ));
        sqlx::query(sql).bind(channel).fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    /// How many runs were accepted since a time.
    pub async fn runs_since(&self, ms: i64) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM runs WHERE created_at >= ?")
            .bind(ms)
            .fetch_one(&self.readers)
            .await?;
        Ok(count.unsigned_abs())
    }
}

pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<RunRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM runs WHERE id = ?").bind(id).fetch_optional(tx).await?;
    row.as_ref().map(read).transpose()
}

/// How many runs of a session wait whose question stands before a `seq`.
pub async fn count_waiting(tx: &mut Tx, session_key: &str, before: u64) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM runs WHERE session_key = ? AND state = 'queued' AND user_seq < ?";
    let before = i64::try_from(before).unwrap_or(i64::MAX);
    let count: i64 = sqlx::query_scalar(sql).bind(session_key).bind(before).fetch_one(tx).await?;
    Ok(count.unsigned_abs())
}

pub async fn insert(tx: &mut Tx, run: &NewRun, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO runs (id, body_hash, session_key, session_id, agent_id, state, user_message_id, user_seq, \
         options, created_at) VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?)",
    )
    .bind(&run.id)
    .bind(&run.body_hash)
    .bind(&run.session_key)
    .bind(&run.session_id)
    .bind(&run.agent_id)
    .bind(&run.user_message_id)
    .bind(i64::try_from(run.user_seq).unwrap_or(i64::MAX))
    .bind(serde_json::to_string(&run.options)?)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// One that waits for a person goes on waiting: only the answer changes that.
pub async fn start(tx: &mut Tx, id: &str, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET state = 'running', started_at = ? WHERE id = ? AND state = 'queued'")
        .bind(now)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Ends a run that has not ended; whether it was this call that ended it.
pub async fn end(
    tx: &mut Tx,
    id: &str,
    state: RunState,
    error: Option<&RunError>,
    now: i64,
) -> Result<bool, StoreError> {
    let error = error.map(serde_json::to_string).transpose()?;
    let sql =
        sqlx::AssertSqlSafe(format!("UPDATE runs SET state = ?, error = ?, ended_at = ? WHERE id = ? AND {OPEN}"));
    let done = sqlx::query(sql).bind(to_word(&state)?).bind(error).bind(now).bind(id).execute(tx).await?;
    Ok(done.rows_affected() > 0)
}

fn read(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let error: Option<&str> = row.try_get("error")?;
    Ok(RunRow {
        id: row.try_get("id")?,
        body_hash: row.try_get("body_hash")?,
        session_key: row.try_get("session_key")?,
        session_id: row.try_get("session_id")?,
        agent_id: row.try_get("agent_id")?,
        state: word(row.try_get("state")?)?,
        user_message_id: row.try_get("user_message_id")?,
        user_seq: row.try_get::<i64, _>("user_seq")?.unsigned_abs(),
        options: serde_json::from_str(row.try_get("options")?)?,
        created_at: Timestamp(row.try_get("created_at")?),
        started_at: row.try_get::<Option<i64>, _>("started_at")?.map(Timestamp),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        error: error.map(serde_json::from_str).transpose()?,
    })
}
