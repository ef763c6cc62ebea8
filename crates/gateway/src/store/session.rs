//! Table `sessions`: one row per key. Whether a session runs now is not here but in `session`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use futures_util::TryStreamExt as _;
use simpleclaw_protocol::message::{SessionKind, Usage};
use simpleclaw_protocol::session::SessionKey;
use simpleclaw_protocol::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, to_word, word};

/// One stored session.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    pub key: String,
    pub session_id: String,
    pub agent_id: String,
    pub kind: SessionKind,
    pub label: Option<String>,
    pub title: String,
    pub channel: Option<String>,
    pub account_id: Option<String>,
    pub peer: Option<String>,
    /// Chosen for this session; absent: the agent's.
    pub model: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub preview: String,
    pub last_seq: u64,
    /// Of them, how many are left out of the history.
    pub superseded: u64,
    pub unread: u64,
    pub pinned: bool,
    pub archived: bool,
    pub failed: bool,
    pub usage: Usage,
    /// Where content in its context came from that somebody outside may have written: it is tainted by these.
    pub untrusted: Vec<String>,
    /// The session that started this one, a sub-agent.
    pub parent_key: Option<String>,
    /// How many such sessions are above it.
    pub depth: u32,
}

/// What a sub-agent has of whoever started it.
#[derive(Debug, Clone)]
pub struct Child {
    pub parent_key: String,
    pub parent_run: String,
    pub depth: u32,
    pub untrusted: Vec<String>,
}

/// Sources of content from outside that are kept by name; past them a session is as tainted as it can be.
const MAX_SOURCES: usize = 20;
/// Of the name of one, in characters.
const MAX_SOURCE: usize = 300;

/// What a list asks for; newest first.
#[derive(Debug, Clone, Default)]
pub struct SessionsQuery {
    pub agent_id: Option<String>,
    pub channel: Option<String>,
    pub updated_since: Option<i64>,
    pub search: Option<String>,
    pub archived: bool,
    /// The last row of the page before.
    pub after: Option<(i64, String)>,
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SessionPage {
    pub sessions: Vec<SessionRecord>,
    pub more: bool,
    pub total: u64,
}

impl SessionsQuery {
    /// The conditions but for the place of the page, and only those that are asked for: SQLite chooses its index by
    /// the text. Each bind has a fixed number.
    fn conditions(&self, pattern: Option<&String>) -> String {
        let mut conditions = vec!["archived = ?1"];
        conditions.extend(self.agent_id.as_ref().map(|_| "agent_id = ?2"));
        conditions.extend(self.channel.as_ref().map(|_| "channel = ?3"));
        conditions.extend(self.updated_since.map(|_| "updated_at >= ?4"));
        conditions.extend(
            pattern.map(|_| "(key LIKE ?5 ESCAPE '\\' OR title LIKE ?5 ESCAPE '\\' OR label LIKE ?5 ESCAPE '\\')"),
        );
        conditions.join(" AND ")
    }
}

impl Store {
    pub async fn session(&self, key: &str) -> Result<Option<SessionRecord>, StoreError> {
        let row = sqlx::query("SELECT * FROM sessions WHERE key = ?").bind(key).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    pub async fn sessions(&self, query: &SessionsQuery) -> Result<SessionPage, StoreError> {
        let pattern = query.search.as_deref().filter(|text| !text.is_empty()).map(like);
        let (after_time, after_key) = query.after.clone().unwrap_or((i64::MAX, String::new()));
        let conditions = query.conditions(pattern.as_ref());
        let page = sqlx::AssertSqlSafe(format!(
            "SELECT * FROM sessions WHERE {conditions} AND (updated_at < ?6 OR (updated_at = ?6 AND key > ?7)) \
             ORDER BY updated_at DESC, key LIMIT ?8"
        ));
        let mut rows = sqlx::query(page)
            .bind(query.archived)
            .bind(&query.agent_id)
            .bind(&query.channel)
            .bind(query.updated_since)
            .bind(&pattern)
            .bind(after_time)
            .bind(after_key)
            .bind(i64::from(query.limit) + 1)
            .fetch(&self.readers);
        let mut sessions = Vec::new();
        while let Some(row) = rows.try_next().await? {
            sessions.push(read(&row)?);
        }
        drop(rows);
        let more = sessions.len() > query.limit as usize;
        sessions.truncate(query.limit as usize);
        let count = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM sessions WHERE {conditions}"));
        let total: i64 = sqlx::query_scalar(count)
            .bind(query.archived)
            .bind(&query.agent_id)
            .bind(&query.channel)
            .bind(query.updated_since)
            .bind(&pattern)
            .fetch_one(&self.readers)
            .await?;
        Ok(SessionPage { sessions, more, total: total.unsigned_abs() })
    }

    /// The ids of the sessions in which something happened since then.
    pub async fn session_ids_since(&self, since: i64) -> Result<HashSet<String>, StoreError> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT session_id FROM sessions WHERE updated_at >= ?")
            .bind(since)
            .fetch_all(&self.readers)
            .await?;
        Ok(ids.into_iter().collect())
    }

    /// How many sessions each agent has, archived ones too. Read again only where something was written since.
    pub async fn session_counts(&self) -> Result<Arc<HashMap<String, u64>>, StoreError> {
        // Taken before the read: a commit during it makes the answer old, never young.
        let commit = self.writer.commits();
        if let Some(known) = &*self.session_counts.lock().unwrap_or_else(PoisonError::into_inner)
            && known.commit == commit
        {
            return Ok(Arc::clone(&known.by_agent));
        }
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT agent_id, COUNT(*) FROM sessions GROUP BY agent_id")
            .fetch_all(&self.readers)
            .await?;
        let by_agent: HashMap<_, _> = rows.into_iter().map(|(agent, count)| (agent, count.unsigned_abs())).collect();
        let by_agent = Arc::new(by_agent);
        let counts = Counts { commit, by_agent: Arc::clone(&by_agent) };
        *self.session_counts.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
        Ok(by_agent)
    }
}

/// Sessions by agent as of one commit.
#[derive(Debug)]
pub struct Counts {
    commit: u64,
    by_agent: Arc<HashMap<String, u64>>,
}

/// Makes the session where it does not exist; whether it was made.
pub async fn ensure(tx: &mut Tx, key: &SessionKey, title: &str, now: i64) -> Result<bool, StoreError> {
    let kind = match key {
        SessionKey::Main { .. } => SessionKind::Main,
        SessionKey::Chat { .. } | SessionKey::Other { .. } => SessionKind::Chat,
    };
    let done = sqlx::query(
        "INSERT INTO sessions (key, session_id, agent_id, kind, title, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
    )
    .bind(key.to_string())
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(key.agent())
    .bind(to_word(&kind)?)
    .bind(title)
    .bind(now)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Makes the session of a sub-agent; `false` where its parent's run has `most` of them already.
pub async fn make_child(
    tx: &mut Tx,
    key: &SessionKey,
    title: &str,
    child: &Child,
    most: u64,
    now: i64,
) -> Result<bool, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sessions WHERE parent_run = ?")
        .bind(&child.parent_run)
        .fetch_one(&mut *tx)
        .await?;
    if count.unsigned_abs() >= most {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO sessions (key, session_id, agent_id, kind, title, created_at, updated_at, untrusted, parent_key, \
         parent_run, depth) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.to_string())
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(key.agent())
    .bind(to_word(&SessionKind::Subagent)?)
    .bind(title)
    .bind(now)
    .bind(now)
    .bind(serde_json::to_string(&child.untrusted)?)
    .bind(&child.parent_key)
    .bind(&child.parent_run)
    .bind(child.depth)
    .execute(tx)
    .await?;
    Ok(true)
}

/// Notes that content of somebody outside came into a session.
pub async fn taint(tx: &mut Tx, key: &str, source: &str) -> Result<(), StoreError> {
    let known: Option<String> =
        sqlx::query_scalar("SELECT untrusted FROM sessions WHERE key = ?").bind(key).fetch_optional(&mut *tx).await?;
    let Some(known) = known else { return Ok(()) };
    let mut sources: Vec<String> = serde_json::from_str(&known)?;
    let source: String = source.chars().take(MAX_SOURCE).collect();
    if sources.len() >= MAX_SOURCES || sources.contains(&source) {
        return Ok(());
    }
    sources.push(source);
    sqlx::query("UPDATE sessions SET untrusted = ? WHERE key = ?")
        .bind(serde_json::to_string(&sources)?)
        .bind(key)
        .execute(tx)
        .await?;
    Ok(())
}

pub async fn get(tx: &mut Tx, key: &str) -> Result<Option<SessionRecord>, StoreError> {
    let row = sqlx::query("SELECT * FROM sessions WHERE key = ?").bind(key).fetch_optional(tx).await?;
    row.as_ref().map(read).transpose()
}

impl SessionRecord {
    /// Messages in the history.
    pub fn message_count(&self) -> u64 {
        self.last_seq.saturating_sub(self.superseded)
    }
}

/// Gives the session its title from its first message.
pub async fn set_title(tx: &mut Tx, key: &str, title: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET title = ? WHERE key = ?").bind(title).bind(key).execute(tx).await?;
    Ok(())
}

/// Notes the end of a run, and whether it failed. What it used is booked call by call, in `usage`.
pub async fn settle(tx: &mut Tx, key: &str, failed: bool, now: i64) -> Result<(), StoreError> {
    sqlx::query("UPDATE sessions SET failed = ?, updated_at = ? WHERE key = ?")
        .bind(failed)
        .bind(now)
        .bind(key)
        .execute(tx)
        .await?;
    Ok(())
}

/// Starts the key anew under another session id; the former messages stay under theirs.
pub async fn reset(tx: &mut Tx, key: &str, reason: Option<&str>, now: i64) -> Result<Option<String>, StoreError> {
    let Some(record) = get(tx, key).await? else { return Ok(None) };
    sqlx::query("INSERT INTO resets (session_id, session_key, reason, reset_at) VALUES (?, ?, ?, ?)")
        .bind(&record.session_id)
        .bind(key)
        .bind(reason)
        .bind(now)
        .execute(&mut *tx)
        .await?;
    let session_id = uuid::Uuid::now_v7().to_string();
    sqlx::query(
        "UPDATE sessions SET session_id = ?, last_seq = 0, superseded = 0, preview = '', unread = 0, failed = 0, input_tokens = 0, \
         output_tokens = 0, cost_usd = 0, untrusted = '[]', updated_at = ? WHERE key = ?",
    )
    .bind(&session_id)
    .bind(now)
    .bind(key)
    .execute(tx)
    .await?;
    Ok(Some(session_id))
}

fn read(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    Ok(SessionRecord {
        key: row.try_get("key")?,
        session_id: row.try_get("session_id")?,
        agent_id: row.try_get("agent_id")?,
        kind: word(row.try_get("kind")?)?,
        label: row.try_get("label")?,
        title: row.try_get("title")?,
        channel: row.try_get("channel")?,
        account_id: row.try_get("account_id")?,
        peer: row.try_get("peer")?,
        model: row.try_get("model")?,
        created_at: Timestamp(row.try_get("created_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
        preview: row.try_get("preview")?,
        last_seq: count("last_seq")?,
        superseded: count("superseded")?,
        unread: count("unread")?,
        pinned: row.try_get("pinned")?,
        archived: row.try_get("archived")?,
        failed: row.try_get("failed")?,
        usage: Usage {
            input_tokens: count("input_tokens")?,
            output_tokens: count("output_tokens")?,
            cost_usd: row.try_get("cost_usd")?,
        },
        untrusted: serde_json::from_str(row.try_get("untrusted")?)?,
        parent_key: row.try_get("parent_key")?,
        depth: row.try_get("depth")?,
    })
}

/// A LIKE pattern that finds the text anywhere, whatever signs it holds.
fn like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for sign in text.chars() {
        if matches!(sign, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('%');
    pattern
}
