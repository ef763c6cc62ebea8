//! Asks the key store of the system, on a thread of its own and in bounded time. A key store may wait for a person who
//! is to unlock it, and nothing else may wait with it.
//!
//! "It can be opened" says little: before the first use a value is written, read back and removed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::home::hex;

/// Questions that may wait for the thread; more is a key store that hangs.
const MAX_WAITING: usize = 64;

/// A key store. Its calls block, perhaps for long.
pub trait KeyStore {
    fn get(&self, account: &str) -> Result<Option<String>, String>;
    fn set(&self, account: &str, value: &str) -> Result<(), String>;
    /// Nothing to remove is no failure.
    fn remove(&self, account: &str) -> Result<(), String>;
}

/// Opens a key store; why it cannot, in words.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn KeyStore>, String> + Send + Sync>;

type Job = Box<dyn FnOnce(&mut Desk) + Send>;

pub struct Vault {
    open: Open,
    /// Where the probe writes.
    probe: String,
    /// How long an answer may take.
    patience: Duration,
    jobs: Mutex<Option<SyncSender<Job>>>,
    /// Numbers of questions: the last one asked, the last one that took too long, the last one the thread is through
    /// with.
    asked: AtomicU64,
    late: AtomicU64,
    finished: Arc<AtomicU64>,
    /// A question took too long since somebody looked.
    hung: AtomicBool,
}

/// Dropped when the thread is through with a question, whatever came of it.
struct Finished {
    number: u64,
    last: Arc<AtomicU64>,
}

impl Drop for Finished {
    fn drop(&mut self) {
        self.last.fetch_max(self.number, Ordering::SeqCst);
    }
}

impl Vault {
    /// Nothing is opened before the first question. `home` keeps apart what several homes have in one key store.
    pub fn new(open: Open, home: &str, patience: Duration) -> Self {
        Self {
            open,
            probe: account(home, ".probe"),
            patience,
            jobs: Mutex::default(),
            asked: AtomicU64::default(),
            late: AtomicU64::default(),
            finished: Arc::default(),
            hung: AtomicBool::default(),
        }
    }

    /// Whether the key store can be used; else why not.
    pub async fn ready(&self) -> Result<(), String> {
        self.ask(|_| Ok(()), |_| {}).await
    }

    pub async fn get(&self, account: String) -> Result<Option<String>, String> {
        self.ask(move |store| store.get(&account), |_| {}).await
    }

    pub async fn set(&self, account: String, value: String) -> Result<(), String> {
        let late = account.clone();
        // Whoever asked has put the value elsewhere by then, and nobody would ever remove this one.
        let undo = move |store: &dyn KeyStore| {
            if let Err(error) = store.remove(&late) {
                tracing::warn!(%error, "a value that came too late stays in the key store");
            }
        };
        self.ask(move |store| store.set(&account, &value), undo).await
    }

    pub async fn remove(&self, account: String) -> Result<(), String> {
        self.ask(move |store| store.remove(&account), |_| {}).await
    }

    /// Whether it is past its time with a question.
    pub fn hangs(&self) -> bool {
        self.late.load(Ordering::SeqCst) > self.finished.load(Ordering::SeqCst)
    }

    /// Whether a question took too long since this was last called.
    pub fn has_hung(&self) -> bool {
        self.hung.swap(false, Ordering::SeqCst)
    }

    /// `undo` runs where the work was done after nobody waited for it any more.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&dyn KeyStore) -> Result<T, String> + Send + 'static,
        undo: impl FnOnce(&dyn KeyStore) + Send + 'static,
    ) -> Result<T, String> {
        if self.hangs() {
            return Err("it still does not answer".to_owned());
        }
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let finished = Finished { number, last: Arc::clone(&self.finished) };
        let (answer, answered) = oneshot::channel();
        let (open, probe) = (Arc::clone(&self.open), self.probe.clone());
        let job: Job = Box::new(move |desk: &mut Desk| {
            let _finished = finished;
            // Nobody waits any more.
            if answer.is_closed() {
                return;
            }
            let done = desk.with_store(&open, &probe, &work);
            if let (Err(Ok(_)), Some(store)) = (answer.send(done), &desk.store) {
                undo(&**store);
            }
        });
        self.hand_over(job)?;
        match tokio::time::timeout(self.patience, answered).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err("it broke off".to_owned()),
            Err(_) => {
                self.late.fetch_max(number, Ordering::SeqCst);
                self.hung.store(true, Ordering::SeqCst);
                Err(format!("it did not answer within {} s", self.patience.as_secs_f64()))
            }
        }
    }

    fn hand_over(&self, job: Job) -> Result<(), String> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            Some(sender) => match sender.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => return Err("too much waits for it".to_owned()),
                // The thread panicked: another takes its place.
                Err(TrySendError::Disconnected(job)) => job,
            },
            None => job,
        };
        let (sender, receiver) = sync_channel(MAX_WAITING);
        std::thread::Builder::new()
            .name("key store".to_owned())
            .spawn(move || serve(&receiver))
            .map_err(|error| format!("no thread for it: {error}"))?;
        // A new channel has room.
        let _ = sender.try_send(job);
        *jobs = Some(sender);
        Ok(())
    }
}

/// The name of a secret of one home in the key store.
pub fn account(home: &str, name: &str) -> String {
    format!("{home}/{name}")
}

/// Ends when the vault is gone.
fn serve(jobs: &Receiver<Job>) {
    let mut desk = Desk::default();
    while let Ok(job) = jobs.recv() {
        job(&mut desk);
    }
}

/// What the thread has.
#[derive(Default)]
struct Desk {
    /// Open, and probed.
    store: Option<Box<dyn KeyStore>>,
}

impl Desk {
    fn with_store<T>(
        &mut self,
        open: &Open,
        probe: &str,
        work: &dyn Fn(&dyn KeyStore) -> Result<T, String>,
    ) -> Result<T, String> {
        if let Some(store) = &self.store {
            match work(&**store) {
                Ok(done) => return Ok(done),
                // What was opened may be no more: a service that was started anew knows nothing of it.
                Err(_) => self.store = None,
            }
        }
        let store = open().and_then(|store| try_out(&*store, probe).map(|()| store))?;
        work(&**self.store.insert(store))
    }
}

fn try_out(store: &dyn KeyStore, account: &str) -> Result<(), String> {
    let value = hex(&rand::random::<[u8; 8]>());
    store.set(account, &value)?;
    let read = store.get(account)?;
    store.remove(account)?;
    match read.as_deref() == Some(value.as_str()) {
        true => Ok(()),
        false => Err("it does not keep what is written to it".to_owned()),
    }
}
