//! A run's place among those that may go at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Given back while the run waits for somebody, so that others go meanwhile.
pub struct RunPlace {
    permits: Arc<Semaphore>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl RunPlace {
    pub fn new(permits: Arc<Semaphore>, held: OwnedSemaphorePermit) -> Self {
        Self { permits, held: Mutex::new(Some(held)) }
    }

    pub fn give_back(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits for a place, behind those that came first.
    pub async fn take_again(&self) {
        // An error cannot be: nobody closes the semaphore.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}
