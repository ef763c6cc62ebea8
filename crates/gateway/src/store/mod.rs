//! The database: SQLite, embedded. One writer with group commit, a pool of readers, migrations; one file per table.
//!
//! What is acknowledged is on the disk: `synchronous=FULL` stands behind every commit, and one commit carries every
//! write that waited for it. What the rows mean is decided elsewhere (`inbox`, `session`, `turn`).

pub mod approval;
pub mod attachment;
pub mod audit;
pub mod branch;
pub mod damage;
pub mod idempotency;
pub mod message;
pub mod meta;
mod offline;
pub mod run;
pub mod session;
pub mod usage;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

pub use branch::Branch;
pub use idempotency::{Claim, body_hash};
pub use message::{Hit, NewMessage, Window};
pub use offline::{Offline, newest_schema};
pub use run::{NewRun, RunOptions, RunRow};
pub use session::{Child, SessionRecord, SessionsQuery};
pub use usage::{CallOutcome, CallOwner, NewCall};
pub use writer::Tx;

const SQLITE_READONLY: u32 = 8;
const SQLITE_IOERR: u32 = 10;
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_FULL: u32 = 13;
const SQLITE_NOTADB: u32 = 26;

/// A store that could not do what it was asked; nothing was half done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the disk is full: free some space, then try again")]
    Full,
    #[error("the database was written by a newer version of SimpleClaw ({0}); install that version or newer")]
    Newer(String),
    /// Cannot be used as it is; SQLite's word for how.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    #[error("the disk cannot be read or written: {0}")]
    Disk(String),
    #[error("the database failed: {0}")]
    Sql(String),
    #[error("the database is closed")]
    Closed,
    /// A row that a newer version or a hand wrote.
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// Beside the database, in the same folder.
    #[error("a file could not be kept: {0}")]
    File(String),
}

impl StoreError {
    pub fn from_file(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => Self::Disk(error.to_string()),
            _ => Self::File(error.to_string()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::Database(inner) => {
                let code: u32 = inner.code().and_then(|code| code.parse().ok()).unwrap_or_default();
                // What stands above the lowest byte only says more of the same.
                match code & 0xff {
                    SQLITE_CORRUPT | SQLITE_NOTADB => Self::Damaged(inner.message().to_owned()),
                    SQLITE_READONLY | SQLITE_IOERR => Self::Disk(inner.message().to_owned()),
                    SQLITE_FULL => Self::Full,
                    _ => Self::Sql(error.to_string()),
                }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Unreadable(error.to_string()),
            _ => Self::Sql(error.to_string()),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(format!("schema {version}")),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Sql(error.to_string()),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// A handle to the database; clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    writer: writer::Writer,
    readers: SqlitePool,
    path: PathBuf,
    session_counts: Arc<Mutex<Option<session::Counts>>>,
}

/// Every step of the schema, oldest first. A step that has landed never changes: its checksum stands in the database.
const MIGRATIONS: &[(&str, &str)] = &[
    ("start", include_str!("../../migrations/0001_start.sql")),
    ("attachments", include_str!("../../migrations/0002_attachments.sql")),
    ("branches", include_str!("../../migrations/0003_branches.sql")),
    ("usage", include_str!("../../migrations/0004_usage.sql")),
    ("approvals", include_str!("../../migrations/0005_approvals.sql")),
    ("tools", include_str!("../../migrations/0006_tools.sql")),
];

fn migrator() -> Migrator {
    let steps = MIGRATIONS.iter().zip(1..).map(|((name, sql), version)| {
        Migration::new(version, (*name).into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(*sql), false)
    });
    Migrator::with_migrations(steps.collect())
}

/// Readers beside the one writer.
const READERS: u32 = 4;

impl Store {
    /// Opens or creates the database and brings its schema up to date. The caller holds the lock of the folder and
    /// runs the returned task to its end.
    pub async fn open(path: &Path) -> Result<(Self, impl Future<Output = ()> + Send + use<>), StoreError> {
        damage::look(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .pragma("temp_store", "MEMORY")
            // macOS: a plain fsync does not reach the disk.
            .pragma("fullfsync", "1")
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        // `run` takes anything that can be acquired, which hides from a spawned task that this is `Send`.
        if let Err(error) = migrator().run_direct(None, &mut connection, false).await {
            // What it says is of no more use.
            let _ = connection.close().await;
            return Err(error.into());
        }
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(60))
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        let (writer, task) = writer::Writer::new(connection);
        Ok((Self { writer, readers, path: path.to_owned(), session_counts: Arc::default() }, task))
    }

    /// Runs one unit of work in the next commit, and returns once that commit is on the disk. An error of `work`
    /// undoes that work alone.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> futures_util::future::BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// How many units of work wait for the writer.
    pub fn queued_writes(&self) -> usize {
        self.writer.queued()
    }

    /// Bytes of the database and of its write-ahead log.
    pub fn sizes(&self) -> (u64, u64) {
        (damage::size(&self.path), damage::size(&damage::beside(&self.path, "-wal")))
    }

    /// Finishes what was accepted, then closes: later work is refused.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

/// Reads a word that a column holds into the enum that serde knows it as.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    Ok(serde_json::from_value(serde_json::Value::from(text))?)
}

/// The word of an enum, as a column holds it.
pub fn to_word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(StoreError::Unreadable(format!("not a word: {other}"))),
    }
}
