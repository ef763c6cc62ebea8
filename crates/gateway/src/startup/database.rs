//! The database at a start: opened, and read from it what a start has to know. One that is damaged does not end the
//! start: it is moved aside, a new one is begun, and that is said.

use tokio::sync::oneshot;

use crate::approval::Approvals;
use crate::clock::Clock;
use crate::config::ConfigHandle;
use crate::events::Events;
use crate::home::Home;
use crate::session;
use crate::store::{RunRow, Store, StoreError, damage};
use crate::supervisor::Supervisor;

/// An open database, and what its last life has left in it.
pub struct Database {
    pub store: Store,
    pub paused: bool,
    pub approvals: Approvals,
    /// Runs that wait for their turn, or for a person.
    pub waiting: Vec<RunRow>,
    /// How many runs were cut off.
    pub interrupted: usize,
    /// Of the one that was there before: what became of it.
    pub damaged: Option<String>,
}

pub async fn open(
    home: &Home,
    config: &ConfigHandle,
    events: &Events,
    supervisor: &Supervisor,
    clock: Clock,
) -> Result<Database, StoreError> {
    let why = match try_open(home, config, events, supervisor, clock).await {
        Err(StoreError::Damaged(why)) => why,
        other => return other,
    };
    let folder = damage::move_aside(home, clock)
        .map_err(|error| StoreError::Damaged(format!("{why}; and it could not be moved aside: {error}")))?;
    let words = format!(
        "the database was damaged ({why}) and lies in {} now; a new one was begun. What a backup holds comes back, once \
         the gateway is stopped, with: simpleclaw backup restore FILE --force",
        folder.display()
    );
    tracing::error!(target: "diagnostic", source = "store", code = "store.damaged", path = %folder.display(), "{words}");
    let database = try_open(home, config, events, supervisor, clock).await?;
    Ok(Database { damaged: Some(words), ..database })
}

/// After an error its connections are closed.
async fn try_open(
    home: &Home,
    config: &ConfigHandle,
    events: &Events,
    supervisor: &Supervisor,
    clock: Clock,
) -> Result<Database, StoreError> {
    let (store, writer) = Store::open(&home.db_path()).await?;
    let (ended, end) = oneshot::channel::<()>();
    supervisor.spawn("store", async move {
        writer.await;
        // Dropped by a panic, it says the same.
        let _ = ended.send(());
    });
    let read = read(store.clone(), config, events, clock).await;
    if read.is_err() {
        store.close().await;
        let _ = end.await;
    }
    read
}

/// Settles what the last life left open. A start goes no further without any of it.
async fn read(store: Store, config: &ConfigHandle, events: &Events, clock: Clock) -> Result<Database, StoreError> {
    let paused = store.paused().await?;
    let approvals = Approvals::new(clock, store.clone(), events.clone());
    let agents: Vec<String> = config.current().config.agents.entries.keys().cloned().collect();
    session::ensure_mains(&store, clock, agents).await?;
    let tasks = session::end_tasks(&store, clock).await?;
    let parked = approvals.recover().await?;
    let (waiting, cut) = session::recover(&store, clock, &parked).await?;
    Ok(Database { store, paused, approvals, waiting, interrupted: tasks + cut, damaged: None })
}
