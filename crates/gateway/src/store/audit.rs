//! Table `audit`: the record of approvals, as rows. That they chain, and whether they do, is `approval::audit`'s.

use simpleclaw_protocol::methods::approvals::AuditKind;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, to_word};

/// One row as it lies in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub seq: i64,
    pub at: i64,
    /// A word of [`AuditKind`], unless somebody wrote another.
    pub kind: String,
    /// JSON, unless somebody wrote something else.
    pub body: String,
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

/// The last row of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// 0: there is none yet.
    pub seq: i64,
    pub hash: Vec<u8>,
}

/// What a page of the record holds; newest first.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub agent_id: Option<String>,
    pub session_key: Option<String>,
    pub approval_id: Option<String>,
    pub kind: Option<AuditKind>,
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// The last row of the page before.
    pub before: Option<i64>,
    pub limit: u32,
}

const HEAD: &str = "SELECT value FROM meta WHERE key = 'audit_head'";

impl Store {
    /// The head as it was written down; absent where it is missing or no head.
    pub async fn audit_head(&self) -> Result<Option<Head>, StoreError> {
        let value: Option<String> = sqlx::query_scalar(HEAD).fetch_optional(&self.readers).await?;
        Ok(value.as_deref().and_then(parse))
    }

    /// Rows behind a place, in their order. Columns that somebody gave another type are read as far as SQLite can.
    pub async fn audit_rows(&self, after: i64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT seq, at, kind, body, previous, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?";
        let rows = sqlx::query(sql).bind(after).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    pub async fn audit_page(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        // Only the conditions that are asked for: SQLite chooses its index by the text.
        let mut conditions = vec!["seq < ?1"];
        conditions.extend(query.agent_id.as_ref().map(|_| "agent_id = ?2"));
        conditions.extend(query.session_key.as_ref().map(|_| "session_key = ?3"));
        conditions.extend(query.approval_id.as_ref().map(|_| "approval_id = ?4"));
        conditions.extend(query.kind.as_ref().map(|_| "kind = ?5"));
        conditions.extend(query.from.map(|_| "at >= ?6"));
        conditions.extend(query.to.map(|_| "at < ?7"));
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT seq, at, kind, body, previous, hash FROM audit WHERE {} ORDER BY seq DESC LIMIT ?8",
            conditions.join(" AND ")
        ));
        let rows = sqlx::query(sql)
            .bind(query.before.unwrap_or(i64::MAX))
            .bind(&query.agent_id)
            .bind(&query.session_key)
            .bind(&query.approval_id)
            .bind(query.kind.as_ref().map(to_word).transpose()?)
            .bind(query.from)
            .bind(query.to)
            .bind(i64::from(query.limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    /// When the last row was written.
    pub async fn audit_last_at(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT at FROM audit ORDER BY seq DESC LIMIT 1";
        Ok(sqlx::query_scalar(sql).fetch_optional(&self.readers).await?)
    }
}

/// The head that the next row follows. It is taken from `meta`, not from the table: rows cut off at the end leave a gap
/// that never closes.
pub async fn head(tx: &mut Tx) -> Result<Head, StoreError> {
    let value: Option<String> = sqlx::query_scalar(HEAD).fetch_optional(&mut *tx).await?;
    if let Some(head) = value.as_deref().and_then(parse) {
        return Ok(head);
    }
    let last: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(tx).await?;
    Ok(last.map(|(seq, hash)| Head { seq, hash }).unwrap_or_default())
}

pub async fn insert(tx: &mut Tx, row: &AuditRow) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (seq, at, kind, body, previous, hash) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(row.seq)
        .bind(row.at)
        .bind(&row.kind)
        .bind(&row.body)
        .bind(&row.previous)
        .bind(&row.hash)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO meta (key, value) VALUES ('audit_head', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(format!("{} {}", row.seq, crate::home::hex(&row.hash)))
    .execute(tx)
    .await?;
    Ok(())
}

fn parse(value: &str) -> Option<Head> {
    let (seq, hash) = value.split_once(' ')?;
    Some(Head { seq: seq.parse().ok()?, hash: unhex(hash)? })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|sign| sign.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0_u8, |byte, digit| (byte << 4) | digit)).collect())
}

fn read(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        seq: row.try_get("seq")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        body: row.try_get("body")?,
        previous: row.try_get("previous")?,
        hash: row.try_get("hash")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_or_not_at_all() {
        let hash = vec![0xa5; 32];
        assert_eq!(parse(&format!("7 {}", crate::home::hex(&hash))), Some(Head { seq: 7, hash }));
        for bad in ["", "7", "7 a5", "x a5", &format!("7 {}", "zz".repeat(32))] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
