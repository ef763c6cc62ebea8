//! The thread that writes lines: as text or JSON to standard error, as JSON to `logs/gateway.log`, which is turned over
//! by size.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use simpleclaw_protocol::events::Level;
use simpleclaw_protocol::methods::gateway::LogLine;
use simpleclaw_protocol::time::Timestamp;

use super::LogOptions;

/// Lines that wait for the disk; at the longest lines about 8 MB.
const QUEUE_LINES: usize = 1024;
const FILES: u32 = 5;
const FILE_BYTES: u64 = 10_000_000;
/// How long a line may repeat before the file says so.
const REPEAT_WAIT: Duration = Duration::from_secs(5);
const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// Sends lines to the thread, which ends with it.
pub struct Writer {
    queue: SyncSender<Order>,
    dropped: Arc<AtomicU64>,
}

enum Order {
    Line(Arc<LogLine>),
    Flush(SyncSender<()>),
}

impl Writer {
    pub fn start(options: &LogOptions) -> Self {
        let stderr = options.stderr.then(|| Style { json: options.json, colour: io::stderr().is_terminal() });
        Self::spawn(Files::new(&options.home.logs_dir(), FILE_BYTES), stderr)
    }

    fn spawn(files: Files, stderr: Option<Style>) -> Self {
        let (queue, orders) = sync_channel(QUEUE_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let output = Output { files, stderr, last: None, repeats: 0, dropped: dropped.clone() };
        // Without the thread every line counts as dropped, and the gateway runs on.
        let _ = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || output.run(&orders));
        Self { queue, dropped }
    }

    /// Never waits.
    pub fn send(&self, line: Arc<LogLine>) {
        if self.queue.try_send(Order::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what was sent is written, 2 s at most.
    #[expect(clippy::disallowed_methods, reason = "the last thing that a process does; there is nothing to wait on")]
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH_WAIT;
        let (done, wait) = sync_channel(1);
        let mut order = Order::Flush(done);
        while let Err(error) = self.queue.try_send(order) {
            match error {
                TrySendError::Full(back) if Instant::now() < deadline => order = back,
                _ => return,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

struct Output {
    files: Files,
    stderr: Option<Style>,
    /// The line before, and how often it came again since the file had it.
    last: Option<Arc<LogLine>>,
    repeats: u64,
    dropped: Arc<AtomicU64>,
}

impl Output {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            // Wakes by itself only while a repetition is still untold.
            let order = match self.repeats {
                0 => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                _ => orders.recv_timeout(REPEAT_WAIT),
            };
            match order {
                Ok(Order::Line(line)) => self.line(line),
                Ok(Order::Flush(done)) => {
                    self.tell_repeats();
                    let _ = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => self.tell_repeats(),
                Err(RecvTimeoutError::Disconnected) => return self.tell_repeats(),
            }
        }
    }

    fn line(&mut self, line: Arc<LogLine>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            self.write(&own_line(line.ts, Level::Warn, format!("{dropped} log lines were lost: too many, or no room")));
        }
        if let Some(style) = self.stderr {
            // Standard error may be closed; nobody is left to be told.
            let _ = io::stderr().lock().write_all(style.line(&line).as_bytes());
        }
        if self.last.as_ref().is_some_and(|last| same(last, &line)) {
            self.repeats += 1;
            self.last = Some(line);
            return;
        }
        self.tell_repeats();
        self.write(&line);
        self.last = Some(line);
    }

    fn tell_repeats(&mut self) {
        if let Some(last) = self.last.clone().filter(|_| self.repeats > 0) {
            self.write(&own_line(last.ts, last.level, format!("repeated {} times: {}", self.repeats, last.message)));
            self.repeats = 0;
        }
    }

    fn write(&mut self, line: &LogLine) {
        if self.files.append(&json_line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn own_line(ts: i64, level: Level, message: String) -> LogLine {
    LogLine { ts, level, target: module_path!().to_owned(), message, fields: Map::new() }
}

fn same(a: &LogLine, b: &LogLine) -> bool {
    (a.level, &a.target, &a.message, &a.fields) == (b.level, &b.target, &b.message, &b.fields)
}

fn json_line(line: &LogLine) -> String {
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

/// How standard error looks.
#[derive(Debug, Clone, Copy)]
struct Style {
    json: bool,
    colour: bool,
}

impl Style {
    fn line(self, line: &LogLine) -> String {
        if self.json {
            return json_line(line);
        }
        let (name, colour) = match line.level {
            Level::Error => ("ERROR", 31),
            Level::Warn => (" WARN", 33),
            Level::Info => (" INFO", 32),
            Level::Debug => ("DEBUG", 34),
            Level::Trace => ("TRACE", 35),
        };
        let level = if self.colour { format!("\x1b[{colour}m{name}\x1b[0m") } else { name.to_owned() };
        let mut text = format!("{} {level} {}: {}", Timestamp(line.ts), line.target, plain(&line.message));
        for (key, value) in &line.fields {
            // Writing to a string cannot fail.
            let _ = match value {
                Value::String(value) => write!(text, " {key}={}", plain(value)),
                value => write!(text, " {key}={value}"),
            };
        }
        text.push('\n');
        text
    }
}

/// A text from outside must not move a terminal's cursor or fake a second line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// `gateway.log` and its elders `gateway.log.1` to `.4`, each at most `limit` bytes.
struct Files {
    path: PathBuf,
    limit: u64,
    open: Option<(File, u64)>,
}

impl Files {
    fn new(folder: &Path, limit: u64) -> Self {
        Self { path: folder.join("gateway.log"), limit, open: None }
    }

    /// After an error the next call opens the file anew.
    fn append(&mut self, line: &str) -> io::Result<()> {
        let (mut file, mut bytes) = match self.open.take() {
            Some(open) => open,
            None => self.open_file()?,
        };
        let more = line.len() as u64;
        if bytes > 0 && bytes + more > self.limit {
            drop(file);
            self.turn_over()?;
            (file, bytes) = self.open_file()?;
        }
        file.write_all(line.as_bytes())?;
        self.open = Some((file, bytes + more));
        Ok(())
    }

    fn open_file(&self) -> io::Result<(File, u64)> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?;
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }

    fn turn_over(&self) -> io::Result<()> {
        for age in (1..FILES).rev() {
            let younger = if age == 1 { self.path.clone() } else { self.elder(age - 1) };
            match fs::rename(younger, self.elder(age)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn elder(&self, age: u32) -> PathBuf {
        self.path.with_file_name(format!("gateway.log.{age}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> Arc<LogLine> {
        Arc::new(own_line(1_795_352_517_040, Level::Info, message.to_owned()))
    }

    fn messages(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).expect("is there");
        text.lines().map(|line| serde_json::from_str::<LogLine>(line).expect("is a line").message).collect()
    }

    #[test]
    fn the_file_has_every_line_once_and_repetitions_counted() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let writer = Writer::spawn(Files::new(folder.path(), FILE_BYTES), None);
        for message in ["a", "b", "b", "b", "c", "c"] {
            writer.send(line(message));
        }
        writer.flush();
        let path = folder.path().join("gateway.log");
        assert_eq!(messages(&path), ["a", "b", "repeated 2 times: b", "c", "repeated 1 times: c"]);
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).expect("is there")) & 0o777, 0o600);
    }

    #[test]
    fn files_turn_over_by_size_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut files = Files::new(folder.path(), 100);
        for n in 0..30 {
            files.append(&format!("{n:049}\n")).expect("writes");
        }
        let mut found: Vec<(String, String)> = fs::read_dir(folder.path())
            .expect("lists")
            .map(|entry| entry.expect("entry").path())
            .map(|path| {
                (
                    path.file_name().expect("name").to_string_lossy().into_owned(),
                    fs::read_to_string(path).expect("reads"),
                )
            })
            .collect();
        found.sort();
        let numbers: Vec<Vec<u32>> =
            found.iter().map(|(_, text)| text.lines().map(|line| line.parse().expect("number")).collect()).collect();
        assert_eq!(numbers, [[28, 29], [26, 27], [24, 25], [22, 23], [20, 21]]);
        assert_eq!(found.last().map(|(name, _)| name.as_str()), Some("gateway.log.4"));
        let mut again = Files::new(folder.path(), 100);
        again.append("x\n").expect("writes");
        assert_eq!(fs::read_to_string(folder.path().join("gateway.log")).expect("reads"), "x\n", "its size is known");
    }

    #[test]
    fn lines_without_room_are_counted_and_told_later() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let logs = folder.path().join("logs");
        let writer = Writer::spawn(Files::new(&logs, FILE_BYTES), None);
        for message in ["a", "b", "c"] {
            writer.send(line(message));
            writer.flush();
        }
        fs::create_dir(&logs).expect("creates");
        writer.send(line("d"));
        writer.flush();
        let found = messages(&logs.join("gateway.log"));
        assert_eq!(found.last().map(String::as_str), Some("d"));
        assert!(found[0].contains("log lines were lost"), "{found:?}");
    }

    #[test]
    fn a_full_queue_drops_and_never_waits() {
        let (queue, orders) = sync_channel(2);
        let writer = Writer { queue, dropped: Arc::new(AtomicU64::new(0)) };
        (0..5).for_each(|n| writer.send(line(&n.to_string())));
        assert_eq!(writer.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(orders.try_iter().count(), 2);
        drop(orders);
        writer.flush();
    }

    #[test]
    fn how_standard_error_looks() {
        let mut said = (*line("two\nlines \x1b[2J")).clone();
        said.fields = serde_json::from_value(serde_json::json!({"n": 1, "t": "a\rb"})).expect("fields");
        let plain = Style { json: false, colour: false }.line(&said);
        let head = "2026-11-22T13:01:57.040Z  INFO simpleclaw_gateway::logging::writer: ";
        assert_eq!(plain, format!("{head}two\\nlines \\u{{1b}}[2J n=1 t=a\\rb\n"));
        assert!(Style { json: false, colour: true }.line(&said).contains("\x1b[32m INFO\x1b[0m"));
        assert_eq!(
            serde_json::from_str::<LogLine>(&Style { json: true, colour: true }.line(&said)).expect("JSON"),
            said
        );
    }
}
