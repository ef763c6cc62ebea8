//! The layer that makes a line of every event and hands it on.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::Arc;

use serde_json::{Map, Value};
use simpleclaw_protocol::events::{DiagnosticEvent, Level};
use simpleclaw_protocol::methods::gateway::LogLine;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::redact::redact;
use super::{Shared, lock};

/// Target of the events that are diagnostics.
const DIAGNOSTIC: &str = "diagnostic";
/// Longest message or field that is kept, and longest sum of all fields, in bytes.
const MAX_TEXT_BYTES: usize = 4096;
/// A value's text is not even made longer than this, lest one field take all memory.
const MAX_RAW_BYTES: usize = 64 * 1024;

pub struct Capture {
    shared: Arc<Shared>,
}

impl Capture {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What is logged while a line is made, by a value's `Debug` or by the hook, would come back here.
        let Some(_guard) = Guard::enter() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Arc::new(LogLine {
            ts: jiff::Timestamp::now().as_millisecond(),
            level: level(*event.metadata().level()),
            target: event.metadata().target().to_owned(),
            message: fields.message,
            fields: fields.others,
        });
        if let Some(writer) = &self.shared.writer {
            writer.send(line.clone());
        }
        let diagnostic = (line.target == DIAGNOSTIC).then(|| diagnostic(&line));
        lock(&self.shared.lines).push(line);
        if let Some(diagnostic) = diagnostic {
            lock(&self.shared.diagnostics).push(diagnostic.clone());
            let hook = lock(&self.shared.hook).clone();
            if let Some(hook) = hook {
                hook(diagnostic);
            }
        }
    }
}

fn diagnostic(line: &LogLine) -> DiagnosticEvent {
    let mut fields = line.fields.clone();
    let mut take = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => "unknown".to_owned(),
    };
    let (source, code) = (take("source"), take("code"));
    DiagnosticEvent { ts: line.ts, level: line.level, source, code, message: line.message.clone(), fields }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Held while this thread makes a line; a second one is not given.
struct Guard;

impl Guard {
    fn enter() -> Option<Self> {
        // Fails while the thread ends and its values are gone.
        let inside = INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(true);
        (!inside).then_some(Self)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|inside| inside.set(false));
    }
}

/// An event's message and fields, redacted, then cut to size.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
    bytes: usize,
}

impl Fields {
    fn text(&mut self, field: &Field, text: &str) {
        let text = redact(text);
        if field.name() == "message" {
            self.message = cut(&text, MAX_TEXT_BYTES);
        } else {
            let text = cut(&text, MAX_TEXT_BYTES.saturating_sub(self.bytes));
            self.bytes += text.len();
            self.value(field, text.into());
        }
    }

    fn value(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded(String::new());
        // An error is the bound, or a value that cannot be shown; what came until then is kept.
        let _ = write!(text, "{value:?}");
        self.text(field, &text.0);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value.into());
    }
}

/// A text that takes no more than [`MAX_RAW_BYTES`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_RAW_BYTES.saturating_sub(self.0.len());
        let fits = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        self.0.push_str(fits);
        if fits.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…", text.get(..text.floor_char_boundary(bytes)).unwrap_or_default())
}
