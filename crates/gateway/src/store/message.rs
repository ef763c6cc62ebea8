//! Table `messages` and its full text index. A message gets its `seq` in the commit that stores it.

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use simpleclaw_protocol::message::{Content, Delivery, Message, MessageStatus, Origin, Role, RunError, Usage};
use simpleclaw_protocol::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, branch, to_word, word};

/// A message on its way into a session.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    pub id: String,
    pub role: Role,
    pub content: Vec<Content>,
    pub run_id: Option<String>,
    pub model: Option<String>,
    pub usage: Option<Usage>,
    pub origin: Option<Origin>,
    pub status: MessageStatus,
    pub error: Option<RunError>,
}

impl NewMessage {
    /// A complete message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            role,
            content: vec![Content::Text { text: text.into() }],
            run_id: None,
            model: None,
            usage: None,
            origin: None,
            status: MessageStatus::Complete,
            error: None,
        }
    }
}

/// The parts that no query looks at.
#[derive(Serialize, Deserialize)]
struct Body {
    content: Vec<Content>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
    status: MessageStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<RunError>,
}

/// Which part of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Window {
    Newest,
    /// The page that ends before this message.
    Before(String),
    /// The page that starts after this message.
    After(String),
    /// The newest page without the input that came after this `seq`.
    WithoutInputAfter(u64),
}

/// A message that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub message: Message,
    pub session_key: String,
    /// Content from outside is in its session now, or what it says is a tool's.
    pub untrusted: bool,
}

/// Oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub messages: Vec<Message>,
    /// More follow in the direction asked for.
    pub more: bool,
}

impl Store {
    /// A page of one session id, cut where its texts pass `budget` bytes. `None`: the window names no message of it.
    pub async fn history(
        &self,
        session_id: &str,
        window: &Window,
        limit: u32,
        budget: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        let (sql, place) = match window {
            Window::Newest => ("seq < ? ORDER BY seq DESC", Some(i64::MAX)),
            Window::Before(id) => ("seq < ? ORDER BY seq DESC", self.seq(session_id, id).await?),
            Window::After(id) => ("seq > ? ORDER BY seq", self.seq(session_id, id).await?),
            Window::WithoutInputAfter(seq) => {
                ("NOT (role = 'user' AND seq > ?) ORDER BY seq DESC", Some(i64::try_from(*seq).unwrap_or(i64::MAX)))
            }
        };
        let Some(place) = place else { return Ok(None) };
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT * FROM messages WHERE session_id = ? AND superseded_by IS NULL AND {sql} LIMIT ?"
        ));
        let mut rows = sqlx::query(sql).bind(session_id).bind(place).bind(i64::from(limit) + 1).fetch(&self.readers);
        let (mut messages, mut bytes, mut more) = (Vec::new(), 0, false);
        while let Some(row) = rows.try_next().await? {
            let message = read(&row)?;
            // As it will be written: a long text is cut, and JSON writes some characters six times as long.
            let size = match row.try_get::<&str, _>("body")?.len() {
                stored if stored <= MAX_TEXT => stored,
                _ => {
                    let mut shown = message.clone();
                    cut(&mut shown);
                    serde_json::to_string(&shown.content)?.len()
                }
            };
            if messages.len() == limit as usize || (bytes + size > budget && !messages.is_empty()) {
                more = true;
                break;
            }
            bytes += size;
            messages.push(message);
        }
        if !matches!(window, Window::After(_)) {
            messages.reverse();
        }
        Ok(Some(HistoryPage { messages, more }))
    }

    /// One message in the history of a session id.
    pub async fn message(&self, session_id: &str, id: &str) -> Result<Option<Message>, StoreError> {
        let row = sqlx::query("SELECT * FROM messages WHERE id = ? AND session_id = ? AND superseded_by IS NULL")
            .bind(id)
            .bind(session_id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// What a run wrote, its user's message first.
    pub async fn messages_of_run(&self, run_id: &str) -> Result<Vec<Message>, StoreError> {
        let rows = sqlx::query("SELECT * FROM messages WHERE run_id = ? ORDER BY seq")
            .bind(run_id)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    /// The newest messages that fit a query of FTS5, in the sessions whose keys are `within` or begin with it and a part
    /// more, archived ones and former session ids included.
    pub async fn search_messages(&self, query: &str, within: &str, limit: u32) -> Result<Vec<Hit>, StoreError> {
        let prefix = if within.ends_with(':') { within.to_owned() } else { format!("{within}:thread:") };
        let sql = "SELECT messages.*, COALESCE(sessions.key, resets.session_key) AS found_in, \
                   COALESCE(sessions.untrusted, '[]') AS untrusted FROM messages_text \
                   JOIN messages ON messages.rowid = messages_text.rowid \
                   LEFT JOIN sessions ON sessions.session_id = messages.session_id \
                   LEFT JOIN resets ON resets.session_id = messages.session_id \
                   WHERE messages_text MATCH ?1 AND messages.superseded_by IS NULL \
                   AND (COALESCE(sessions.key, resets.session_key) = ?2 \
                   OR substr(COALESCE(sessions.key, resets.session_key), 1, length(?3)) = ?3) \
                   ORDER BY messages_text.rowid DESC LIMIT ?4";
        let rows = sqlx::query(sql).bind(query).bind(within).bind(prefix).bind(limit).fetch_all(&self.readers).await?;
        let hit = |row: &SqliteRow| -> Result<Hit, StoreError> {
            let message = read(row)?;
            let untrusted = message.role == Role::Tool || row.try_get::<&str, _>("untrusted")? != "[]";
            Ok(Hit { session_key: row.try_get("found_in")?, untrusted, message })
        };
        rows.iter().map(hit).collect()
    }

    /// Of a replaced message too: as a place in the history it still counts.
    async fn seq(&self, session_id: &str, id: &str) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar("SELECT seq FROM messages WHERE id = ? AND session_id = ?")
            .bind(id)
            .bind(session_id)
            .fetch_optional(&self.readers)
            .await?)
    }
}

/// A longer text is cut in lists; in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// Cuts the texts of a message for lists and events.
pub fn cut(message: &mut Message) {
    for block in &mut message.content {
        let (Content::Text { text } | Content::Thinking { text } | Content::ToolResult { content: text, .. }) = block
        else {
            continue;
        };
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            message.truncated = true;
        }
    }
}

/// A message that was stored.
pub struct Inserted {
    pub message: Message,
    /// False: it answers a question that was replaced, and is in no history.
    pub visible: bool,
}

/// Stores a message at the end of a session and moves the session up. `session_id` is the one that the writer knew:
/// where the session was reset since, the message joins the archive it belongs to.
pub async fn insert(
    tx: &mut Tx,
    session_key: &str,
    session_id: &str,
    message: NewMessage,
    now: i64,
) -> Result<Inserted, StoreError> {
    let text = plain_text(&message.content);
    let left_by = match &message.run_id {
        Some(run_id) if message.role != Role::User => branch::left_by(tx, run_id).await?,
        _ => None,
    };
    let live: Option<i64> = sqlx::query_scalar(
        "UPDATE sessions SET last_seq = last_seq + 1, superseded = superseded + ?1, updated_at = ?2, \
         preview = CASE WHEN ?1 THEN preview ELSE ?3 END WHERE key = ?4 AND session_id = ?5 RETURNING last_seq",
    )
    .bind(left_by.is_some())
    .bind(now)
    .bind(summary(&message.content))
    .bind(session_key)
    .bind(session_id)
    .fetch_optional(&mut *tx)
    .await?;
    let seq = match live {
        Some(seq) => seq,
        None => {
            sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) + 1 FROM messages WHERE session_id = ?")
                .bind(session_id)
                .fetch_one(&mut *tx)
                .await?
        }
    };
    let message = Message {
        id: message.id,
        seq: seq.unsigned_abs(),
        role: message.role,
        content: message.content,
        created_at: Timestamp(now),
        run_id: message.run_id,
        model: message.model,
        usage: message.usage,
        origin: message.origin,
        delivery: None,
        status: message.status,
        error: message.error,
        truncated: false,
    };
    let body = Body {
        content: message.content.clone(),
        model: message.model.clone(),
        usage: message.usage,
        origin: message.origin.clone(),
        delivery: None,
        status: message.status,
        error: message.error.clone(),
    };
    let done = sqlx::query(
        "INSERT INTO messages (id, session_id, seq, role, run_id, created_at, body, superseded_by) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&message.id)
    .bind(session_id)
    .bind(seq)
    .bind(to_word(&message.role)?)
    .bind(&message.run_id)
    .bind(now)
    .bind(serde_json::to_string(&body)?)
    .bind(&left_by)
    .execute(&mut *tx)
    .await?;
    if !text.is_empty() {
        sqlx::query("INSERT INTO messages_text (rowid, text) VALUES (?, ?)")
            .bind(done.last_insert_rowid())
            .bind(text)
            .execute(tx)
            .await?;
    }
    Ok(Inserted { message, visible: left_by.is_none() })
}

/// Keeps the text so far of a running message.
pub async fn save_partial(tx: &mut Tx, run_id: &str, message_id: &str, text: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO partials (run_id, message_id, text) VALUES (?, ?, ?) \
         ON CONFLICT (run_id) DO UPDATE SET message_id = excluded.message_id, text = excluded.text",
    )
    .bind(run_id)
    .bind(message_id)
    .bind(text)
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes the text so far of a run, if it had any: message id and text.
pub async fn take_partial(tx: &mut Tx, run_id: &str) -> Result<Option<(String, String)>, StoreError> {
    Ok(sqlx::query_as("DELETE FROM partials WHERE run_id = ? RETURNING message_id, text")
        .bind(run_id)
        .fetch_optional(tx)
        .await?)
}

fn read(row: &SqliteRow) -> Result<Message, StoreError> {
    let body: Body = serde_json::from_str(row.try_get("body")?)?;
    Ok(Message {
        id: row.try_get("id")?,
        seq: row.try_get::<i64, _>("seq")?.unsigned_abs(),
        role: word(row.try_get("role")?)?,
        content: body.content,
        created_at: Timestamp(row.try_get("created_at")?),
        run_id: row.try_get("run_id")?,
        model: body.model,
        usage: body.usage,
        origin: body.origin,
        delivery: body.delivery,
        status: body.status,
        error: body.error,
        truncated: false,
    })
}

/// What full text search finds.
pub fn plain_text(content: &[Content]) -> String {
    joined(content.iter().filter_map(|block| match block {
        Content::Image(attached) | Content::File(attached) => Some(attached.name.as_str()),
        other => said(other),
    }))
}

fn said(block: &Content) -> Option<&str> {
    match block {
        Content::Text { text } => Some(text),
        Content::ToolResult { content, .. } => Some(content),
        Content::Image(_) | Content::File(_) | Content::Thinking { .. } | Content::ToolCall { .. } => None,
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join("\n")
}

/// What lists show of a message: the start of its text, or the names of what it carries.
pub fn summary(content: &[Content]) -> String {
    let text = preview(&joined(content.iter().filter_map(said)));
    if !text.is_empty() {
        return text;
    }
    let names = content.iter().filter_map(|block| match block {
        Content::Image(attached) => Some(format!("Image: {}", attached.name)),
        Content::File(attached) => Some(format!("File: {}", attached.name)),
        _ => None,
    });
    short(names.collect::<Vec<_>>().join(", "))
}

/// The start of a text on one line: without the signs of Markdown around its words.
fn preview(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| word.trim_matches(['#', '*', '`', '_', '>']))
        .filter(|word| !word.is_empty());
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 400 {
            break;
        }
    }
    short(line)
}

fn short(line: String) -> String {
    match line.char_indices().nth(120) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
