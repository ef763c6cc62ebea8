//! Names, watches and drains every background task. Nothing else may spawn.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The owner of all tasks; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Supervisor {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Supervisor {
    /// Runs a task to its end. A panic ends that task alone and is reported.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                let words = panic_words(&*panic);
                tracing::error!(target: "diagnostic", source = "supervisor", code = "task.panicked", task = name, "{words}");
            }
        });
    }

    /// Runs a task that only ends because the gateway stops.
    pub fn spawn_until_stop(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.spawn(name, async move {
            let Some(()) = stopping.clone().run_until_cancelled_owned(task).await else { return };
            tracing::error!(target: "diagnostic", source = "supervisor", code = "task.ended", task = name, "a task that should run for ever has ended");
        });
    }

    /// Fires when the gateway stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Tells every task to end and waits for them, at most `deadline`; whether all ended.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.stopping.cancel();
        self.tasks.close();
        tokio::time::timeout(deadline, self.tasks.wait()).await.is_ok()
    }

    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }
}

/// What a panic said.
pub fn panic_words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}
