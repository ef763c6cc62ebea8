//! The kill switch and the stop button: whether agents may run, and whether the gateway was asked to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

/// Why the gateway was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    Shutdown,
    Restart,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    paused: AtomicBool,
    resumed: Notify,
    stop: watch::Sender<Option<StopReason>>,
}

impl Control {
    pub fn new(paused: bool) -> Self {
        let shared = Shared { paused: paused.into(), resumed: Notify::new(), stop: watch::Sender::new(None) };
        Self { shared: Arc::new(shared) }
    }

    pub fn paused(&self) -> bool {
        self.shared.paused.load(Ordering::Acquire)
    }

    pub fn set_paused(&self, paused: bool) {
        self.shared.paused.store(paused, Ordering::Release);
        if !paused {
            self.shared.resumed.notify_waiters();
        }
    }

    /// Returns at once unless agents are paused.
    pub async fn until_resumed(&self) {
        loop {
            let resumed = self.shared.resumed.notified();
            if !self.paused() {
                return;
            }
            resumed.await;
        }
    }

    pub fn ask_to_stop(&self, reason: StopReason) {
        self.shared.stop.send_if_modified(|stop| stop.is_none() && stop.replace(reason).is_none());
    }

    pub fn stopping(&self) -> Option<StopReason> {
        *self.shared.stop.borrow()
    }

    pub async fn until_asked_to_stop(&self) -> StopReason {
        let mut stop = self.shared.stop.subscribe();
        loop {
            if let Some(reason) = *stop.borrow_and_update() {
                return reason;
            }
            if stop.changed().await.is_err() {
                return StopReason::Shutdown;
            }
        }
    }
}
