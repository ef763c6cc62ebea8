//! A run that goes now, as others see it: how far it is, who ends it, whether it is still told of.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use simpleclaw_protocol::time::Timestamp;
use tokio::time::Instant;

/// A run that goes now, as others see it.
pub struct Live {
    run_id: String,
    index: AtomicU64,
    phase: AtomicU8,
    progress: Mutex<Progress>,
}

#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub message_id: String,
    pub text: String,
    /// The last index that `text` contains.
    pub index: u64,
    pub started_at: Timestamp,
    /// Its question was replaced: no message of it is told of any more.
    hidden: bool,
    /// Since when it waits for a person.
    waits: Option<Instant>,
    /// How long it has, before that.
    waited: Duration,
}

const RUNNING: u8 = 0;
const ABORTING: u8 = 1;
const INTERRUPTED: u8 = 2;
const ENDING: u8 = 3;

/// What `chat.history` shows of a live run.
pub struct LiveText {
    pub message_id: String,
    pub text: String,
    pub index: u64,
    pub started_at: Timestamp,
}

impl Live {
    pub fn new(run_id: &str, next_index: u64) -> Self {
        Self { run_id: run_id.to_owned(), index: next_index.into(), phase: RUNNING.into(), progress: Mutex::default() }
    }

    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Takes the next `index` of the run's events.
    pub fn next_index(&self) -> u64 {
        self.index.fetch_add(1, Ordering::Relaxed)
    }

    /// Claims the end of the run for a stop; `false` where it ends already.
    pub fn begin_abort(&self) -> bool {
        self.leave_running(ABORTING)
    }

    /// Claims the end of the run for an end of the gateway.
    pub fn begin_interrupt(&self) -> bool {
        self.leave_running(INTERRUPTED)
    }

    /// Claims the end of the run for itself.
    pub fn begin_end(&self) -> bool {
        self.leave_running(ENDING)
    }

    /// Nobody has claimed its end.
    pub fn is_running(&self) -> bool {
        self.phase.load(Ordering::Acquire) == RUNNING
    }

    /// The end of the gateway claimed it.
    pub fn is_interrupted(&self) -> bool {
        self.phase.load(Ordering::Acquire) == INTERRUPTED
    }

    fn leave_running(&self, phase: u8) -> bool {
        self.phase.compare_exchange(RUNNING, phase, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// It waits for a person from now on.
    pub fn begin_wait(&self) {
        self.lock().waits = Some(Instant::now());
    }

    pub fn end_wait(&self) {
        let mut progress = self.lock();
        if let Some(since) = progress.waits.take() {
            progress.waited += since.elapsed();
        }
    }

    pub fn is_waiting(&self) -> bool {
        self.lock().waits.is_some()
    }

    /// How long it has waited for people, which is no time of its own.
    pub fn waited(&self) -> Duration {
        let progress = self.lock();
        progress.waited + progress.waits.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// From its return on, nothing that [`Self::unless_hidden`] does comes through.
    pub fn hide(&self) {
        self.lock().hidden = true;
    }

    pub fn is_hidden(&self) -> bool {
        self.lock().hidden
    }

    /// Tells of a message of the run.
    pub fn unless_hidden(&self, tell: impl FnOnce()) {
        let progress = self.lock();
        if !progress.hidden {
            tell();
        }
    }

    pub fn text(&self) -> LiveText {
        let progress = self.lock().clone();
        LiveText {
            message_id: progress.message_id,
            text: progress.text,
            index: progress.index,
            started_at: progress.started_at,
        }
    }

    pub fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
