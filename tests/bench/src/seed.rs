//! Fills a database that no gateway has open: a million messages over the wire would take longer than measuring them.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Messages of the session [`LONG`].
pub const MESSAGES: u32 = 100_000;
/// Sessions with one message each.
pub const SESSIONS: u32 = 10_000;
pub const LONG: &str = "agent:main:long";

const COUNT_TO: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";

/// Adds the long session and the many; the schema is there already.
pub async fn fill(database: &Path) -> anyhow::Result<()> {
    let mut db = SqliteConnectOptions::new().filename(database).connect().await?;
    let text = "What was said here is about as long as people write when they ask for something. ".repeat(3);
    let body = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}],"status":"complete"}}"#);
    let mut tx = db.begin().await?;
    sqlx::query(
        "INSERT INTO sessions (key, session_id, agent_id, kind, title, created_at, updated_at, last_seq) \
         VALUES (?1, 'long', 'main', 'chat', 'long', 1, 1, ?2)",
    )
    .bind(LONG)
    .bind(MESSAGES)
    .execute(&mut *tx)
    .await?;
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO messages (id, session_id, seq, role, created_at, body) {COUNT_TO} \
         SELECT 'long-' || i, 'long', i, CASE i % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, i, ?2 FROM n"
    )))
    .bind(MESSAGES)
    .bind(&body)
    .execute(&mut *tx)
    .await?;
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO sessions (key, session_id, agent_id, kind, title, created_at, updated_at, preview, last_seq) \
         {COUNT_TO} SELECT 'agent:main:many-' || i, 'many-' || i, 'main', 'chat', 'Session ' || i, i, i, ?2, 1 FROM n"
    )))
    .bind(SESSIONS)
    .bind(&text)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    db.close().await?;
    Ok(())
}
