//! The one connection that writes. Work that arrives while a commit is on its way to the disk shares the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;

/// What a unit of work writes through.
pub type Tx = SqliteConnection;

/// Units that may wait; more wait at their caller.
const QUEUE: usize = 1024;
/// Units that share one commit at most, so that the first does not wait for ever.
const BATCH: usize = 256;

/// One unit of work: runs inside the transaction, then is told whether the commit held.
trait Unit: Send {
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, bool>;
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Job<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Unit for Job<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    fn run<'c>(&'c mut self, tx: &'c mut Tx) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let outcome = work(tx).await;
            let done = outcome.is_ok();
            self.outcome = Some(outcome);
            done
        })
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let outcome = match (self.outcome, commit) {
            (Some(Ok(_)), Err(error)) => Err(error),
            (Some(outcome), _) => outcome,
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // A caller that no longer waits has its effect all the same.
        let _ = self.reply.send(outcome);
    }
}

#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Box<dyn Unit>>,
    closed: Arc<tokio::sync::Notify>,
    commits: Arc<AtomicU64>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("queued", &self.queued()).finish()
    }
}

impl Writer {
    /// The handle, and the task that owns the connection until [`Writer::close`].
    pub fn new(connection: SqliteConnection) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, work) = mpsc::channel(QUEUE);
        let closed = Arc::new(tokio::sync::Notify::new());
        let commits = Arc::new(AtomicU64::new(0));
        let task = run(connection, work, Arc::clone(&closed), Arc::clone(&commits));
        (Self { queue, closed, commits }, task)
    }

    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> BoxFuture<'c, Result<T, StoreError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job { work: Some(work), outcome: None, reply };
        self.queue.send(Box::new(job)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// How many commits there were; what was read at one number is true while it stands.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    pub async fn close(&self) {
        self.closed.notify_one();
        self.queue.closed().await;
    }
}

async fn run(
    mut connection: SqliteConnection,
    mut queue: mpsc::Receiver<Box<dyn Unit>>,
    closed: Arc<tokio::sync::Notify>,
    commits: Arc<AtomicU64>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, BATCH) => if count == 0 { break },
            // No new work; what was accepted is still done, by the loop above.
            () = closed.notified() => { queue.close(); continue }
        }
        let commit = transaction(&mut connection, &mut batch).await;
        if let Err(error) = &commit {
            tracing::error!(target: "diagnostic", source = "store", code = "store.commit_failed", "{error}");
        }
        commits.fetch_add(1, Ordering::Release);
        for unit in batch.drain(..) {
            unit.finish(commit.clone());
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

/// Runs a batch in one transaction. Each unit has its own savepoint, so that one that fails undoes itself alone.
async fn transaction(connection: &mut SqliteConnection, batch: &mut [Box<dyn Unit>]) -> Result<(), StoreError> {
    execute(connection, "BEGIN IMMEDIATE").await?;
    for unit in batch {
        if let Err(error) = one(connection, unit).await {
            // A failed rollback leaves the transaction to the next BEGIN, which then fails and says so.
            let _ = execute(connection, "ROLLBACK").await;
            return Err(error);
        }
    }
    match execute(connection, "COMMIT").await {
        Ok(()) => Ok(()),
        Err(error) => {
            let _ = execute(connection, "ROLLBACK").await;
            Err(error)
        }
    }
}

async fn one(connection: &mut SqliteConnection, unit: &mut Box<dyn Unit>) -> Result<(), StoreError> {
    execute(connection, "SAVEPOINT unit").await?;
    if !unit.run(connection).await {
        execute(connection, "ROLLBACK TO unit").await?;
    }
    execute(connection, "RELEASE unit").await
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), StoreError> {
    sqlx::query(sql).execute(connection).await?;
    Ok(())
}
