//! A command that runs: its output as it comes, its input, its end, and the two ways to make it stop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::output::{Chunk, Kept};
use super::{Frozen, Launch, LaunchError, Sandbox};
use crate::supervisor::Supervisor;

#[cfg(not(target_os = "linux"))]
#[path = "running_other.rs"]
mod platform;
#[cfg(target_os = "linux")]
#[path = "running_linux.rs"]
mod platform;

pub use platform::Running;
pub(super) use platform::launch;

/// A piece of output is no longer than this, in bytes, and so much may wait for who shows it.
const PIECE: usize = 16 << 10;
const WAITING: usize = 256 << 10;

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub reason: Reason,
    /// Of a command that ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// stdout and stderr in the order in which they were read.
    pub output: Kept,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// By itself, or by a signal.
    Exited,
    /// By `kill`, by the end of the gateway, or because nobody holds it any more.
    Stopped,
    /// A limit.
    Timeout,
    Memory,
    Processes,
    /// It never ran, or nobody knows how it ended; in words.
    Failed(String),
}

/// Runs what is frozen. Nothing runs where anything that the launch asks for cannot be had.
pub async fn start(
    sandbox: &Sandbox,
    frozen: Frozen,
    launch: Launch,
    supervisor: &Supervisor,
) -> Result<Running, LaunchError> {
    platform::launch(sandbox.walls().await, frozen, launch, supervisor).await
}

/// What was printed and not yet shown. Who shows it slowly sees less of it; the command is never held up, and what is
/// kept of the output does not depend on it.
#[derive(Debug)]
struct Feed {
    state: Mutex<FeedState>,
    changed: Notify,
}

#[derive(Debug)]
struct FeedState {
    chunks: VecDeque<Chunk>,
    waiting: usize,
    /// Shown altogether at most.
    left: usize,
    closed: bool,
}

impl Feed {
    fn new(limit: usize) -> Arc<Self> {
        let state = FeedState { chunks: VecDeque::new(), waiting: 0, left: limit, closed: false };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new() })
    }

    fn push(&self, chunk: Chunk) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let size = chunk.text.len();
        if size > state.left {
            // From here on nothing is shown any more, rather than a piece here and there.
            state.left = 0;
        }
        if size == 0 || size > state.left || state.waiting + size > WAITING {
            return;
        }
        state.left -= size;
        state.waiting += size;
        match state.chunks.back_mut() {
            Some(last) if last.stream == chunk.stream && last.text.len() + size <= PIECE => {
                last.text.push_str(&chunk.text);
            }
            _ => state.chunks.push_back(chunk),
        }
        drop(state);
        self.changed.notify_one();
    }

    fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_one();
    }

    /// `None` once nothing will come any more.
    async fn next(&self) -> Option<Chunk> {
        loop {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(chunk) = state.chunks.pop_front() {
                    state.waiting -= chunk.text.len();
                    return Some(chunk);
                }
                if state.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}
