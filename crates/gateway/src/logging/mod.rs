//! What the gateway says about itself. Every `tracing` event becomes one line, freed of secrets, which goes to standard
//! error, to `logs/gateway.log`, and to a ring for `logs.tail`. An event with target `diagnostic` is a diagnostic as
//! well: `tracing::warn!(target: "diagnostic", source = "config", code = "config.invalid", "words")`.
//!
//! Lines are written by a thread of their own, so that a slow disk or a stuck terminal stops nobody; what does not fit
//! its queue is dropped and counted. Deliberately not here: spans (an event carries what it needs), metrics.

mod capture;
mod redact;
mod ring;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use simpleclaw_protocol::events::DiagnosticEvent;
use simpleclaw_protocol::methods::gateway::LogLine;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::capture::Capture;
use self::ring::Ring;
use self::writer::Writer;
use crate::home::Home;

pub use redact::register_secret;

const KEPT_LINES: usize = 2000;
const KEPT_DIAGNOSTICS: usize = 1000;

/// Called with each diagnostic, on the thread that reported it. Must be quick; what it logs itself is dropped.
pub type DiagnosticHook = Box<dyn Fn(DiagnosticEvent) + Send + Sync>;

pub struct LogOptions<'a> {
    pub home: &'a Home,
    /// Also write to standard error.
    pub stderr: bool,
    /// `error` to `trace` for SimpleClaw's own lines (others' from `warn`), or filter directives.
    pub level: &'a str,
    /// Standard error gets JSON lines, not text.
    pub json: bool,
}

/// The logs so far, and their settings. Lines still queued are written when the last copy is dropped.
#[derive(Clone)]
pub struct LogHandle {
    shared: Arc<Shared>,
    flush: Arc<FlushOnDrop>,
}

struct Shared {
    lines: Mutex<Ring<Arc<LogLine>>>,
    diagnostics: Mutex<Ring<DiagnosticEvent>>,
    hook: Mutex<Option<Arc<DiagnosticHook>>>,
    filter: OnceLock<reload::Handle<EnvFilter, Registry>>,
    writer: Option<Writer>,
}

struct FlushOnDrop(Arc<Shared>);

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        if let Some(writer) = &self.0.writer {
            writer.flush();
        }
    }
}

/// Starts logging for this process. Later calls change nothing and return the first call's logs.
pub fn init(options: LogOptions) -> LogHandle {
    static LOGS: OnceLock<(Arc<Shared>, Mutex<Weak<FlushOnDrop>>)> = OnceLock::new();
    let mut first = None;
    let (shared, flush) = LOGS.get_or_init(|| {
        let handle = LogHandle::new(Some(Writer::start(&options)));
        // Fails where a host program has its own subscriber: then that one has the lines.
        let _ = tracing::subscriber::set_global_default(handle.subscriber(options.level));
        let kept = (handle.shared.clone(), Mutex::new(Arc::downgrade(&handle.flush)));
        first = Some(handle);
        kept
    });
    if let Some(first) = first {
        return first;
    }
    let mut weak = lock(flush);
    let flush = weak.upgrade().unwrap_or_else(|| Arc::new(FlushOnDrop(shared.clone())));
    *weak = Arc::downgrade(&flush);
    LogHandle { shared: shared.clone(), flush }
}

impl LogHandle {
    fn new(writer: Option<Writer>) -> Self {
        let shared = Arc::new(Shared {
            lines: Mutex::new(Ring::new(KEPT_LINES)),
            diagnostics: Mutex::new(Ring::new(KEPT_DIAGNOSTICS)),
            hook: Mutex::new(None),
            filter: OnceLock::new(),
            writer,
        });
        Self { flush: Arc::new(FlushOnDrop(shared.clone())), shared }
    }

    /// Logs without a file and without a part in the process: for tests, together with [`Self::subscriber`].
    pub fn detached() -> Self {
        Self::new(None)
    }

    /// A subscriber that feeds these logs. The last one made is the one that [`Self::set_level`] reaches.
    pub fn subscriber(&self, level: &str) -> impl Subscriber + Send + Sync + use<> {
        let (filter, handle) = reload::Layer::new(filter(level));
        // A second subscriber of the same logs keeps the level it was made with.
        let _ = self.shared.filter.set(handle);
        Registry::default().with(filter).with(Capture::new(self.shared.clone()))
    }

    /// Lines since `cursor`, oldest first, at most `limit`; without a cursor the newest. The text goes into the next
    /// call's `cursor`. A cursor older than what is kept starts at the oldest line. `None`: that is no cursor.
    pub fn tail(&self, cursor: Option<&str>, limit: usize) -> Option<(Vec<LogLine>, String)> {
        let (lines, next) = lock(&self.shared.lines).tail(cursor, limit)?;
        Some((lines.iter().map(|line| LogLine::clone(line)).collect(), next))
    }

    /// The same for diagnostics.
    pub fn diagnostics(&self, after: Option<&str>, limit: usize) -> Option<(Vec<DiagnosticEvent>, String)> {
        lock(&self.shared.diagnostics).tail(after, limit)
    }

    /// From now on; see [`LogOptions::level`]. What cannot be understood means `info`.
    pub fn set_level(&self, level: &str) {
        if let Some(handle) = self.shared.filter.get() {
            // Fails only when the subscriber is gone.
            let _ = handle.reload(filter(level));
        }
    }

    /// Replaces the former hook.
    pub fn on_diagnostic(&self, hook: DiagnosticHook) {
        *lock(&self.shared.hook) = Some(Arc::new(hook));
    }

    /// Waits, 2 s at most, until what was said so far is written.
    pub fn flush(&self) {
        if let Some(writer) = &self.shared.writer {
            writer.flush();
        }
    }
}

/// Ours by the level; others' only from `warn`, since at `debug` they drown ours. Never those of genai, which logs
/// what a server answered: a server that repeats the key would put it into the log.
fn filter(level: &str) -> EnvFilter {
    let directives = match level {
        "off" | "error" => format!("{level},genai=off"),
        "warn" | "info" | "debug" | "trace" => format!("warn,genai=off,simpleclaw={level},diagnostic={level}"),
        directives => directives.to_owned(),
    };
    EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new("warn,genai=off,simpleclaw=info,diagnostic=info"))
}

/// A panic elsewhere does not end logging.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
