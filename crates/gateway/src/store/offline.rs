//! A database from outside: looked at and copied, while its gateway runs or while none does. Nothing of it is written.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{MIGRATIONS, StoreError, damage};

/// How many problems of a damaged database are told.
const MAX_PROBLEMS: usize = 20;

/// The newest schema that this program knows.
pub fn newest_schema() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// A connection that reads.
pub struct Offline(SqliteConnection);

impl Offline {
    /// `untouched`: not even the files beside it are made, which is only right where nobody writes to it meanwhile and
    /// it has no write-ahead log.
    pub async fn open(path: &Path, untouched: bool) -> Result<Self, StoreError> {
        if damage::lost_its_file(path) {
            return Err(StoreError::Damaged("it is empty, and its write-ahead log is not".to_owned()));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(untouched)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        Ok(Self(options.connect().await?))
    }

    /// What is wrong with it; nothing, where it is whole. Reads all of it.
    pub async fn problems(&mut self) -> Result<Vec<String>, StoreError> {
        let mut lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check").fetch_all(&mut self.0).await?;
        lines.retain(|line| line != "ok");
        lines.truncate(MAX_PROBLEMS);
        Ok(lines)
    }

    /// The last step of the schema that it has seen; 0 where it has seen none.
    pub async fn schema(&mut self) -> Result<i64, StoreError> {
        if !self.has_table("_sqlx_migrations").await? {
            return Ok(0);
        }
        let version: Option<i64> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&mut self.0).await?;
        Ok(version.unwrap_or_default())
    }

    /// The hashes of all files that its messages carry.
    pub async fn attached(&mut self) -> Result<HashSet<String>, StoreError> {
        if !self.has_table("attachments").await? {
            return Ok(HashSet::new());
        }
        let hashes: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT sha256 FROM attachments").fetch_all(&mut self.0).await?;
        Ok(hashes.into_iter().collect())
    }

    /// Writes all of it, as it is at one moment, into a new file. Who writes to it meanwhile is not held up.
    pub async fn copy_to(&mut self, target: &Path) -> Result<(), StoreError> {
        let Some(target) = target.to_str() else {
            return Err(StoreError::File(format!("{} is not UTF-8", target.display())));
        };
        sqlx::query("VACUUM INTO ?").bind(target).execute(&mut self.0).await?;
        Ok(())
    }

    pub async fn close(self) -> Result<(), StoreError> {
        self.0.close().await?;
        Ok(())
    }

    async fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?")
            .bind(name)
            .fetch_one(&mut self.0)
            .await?;
        Ok(count > 0)
    }
}
