use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use simpleclaw_protocol::events::Level;
use tracing::subscriber::with_default;

use super::*;

/// The messages kept, as (level, message).
fn said(logs: &LogHandle) -> Vec<(Level, String)> {
    let (lines, _) = logs.tail(None, 100).expect("no cursor");
    lines.into_iter().map(|line| (line.level, line.message)).collect()
}

#[test]
fn a_line_holds_what_was_said() {
    let logs = LogHandle::detached();
    with_default(logs.subscriber("info"), || {
        let error = std::io::Error::other("no disk");
        tracing::warn!(n = 5, f = 0.5, on = true, name = "eve", %error, debug = ?Some(1), "hello {}", "you");
    });
    let (lines, next) = logs.tail(None, 10).expect("no cursor");
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!((line.level, line.target.as_str(), line.message.as_str()), (Level::Warn, module_path!(), "hello you"));
    let fields = json!({"n": 5, "f": 0.5, "on": true, "name": "eve", "error": "no disk", "debug": "Some(1)"});
    assert_eq!(serde_json::Value::Object(line.fields.clone()), fields);
    assert_eq!(logs.tail(Some(&next), 10).map(|(lines, _)| lines.len()), Some(0));
    assert_eq!(logs.tail(Some("what"), 10), None);
}

#[test]
fn levels_are_ours_and_can_change() {
    let logs = LogHandle::detached();
    with_default(logs.subscriber("info"), || {
        tracing::debug!("not yet");
        tracing::info!(target: "hyper::proto", "not ours");
        tracing::warn!(target: "hyper::proto", "a warning of others");
        logs.set_level("debug");
        tracing::debug!("now");
        tracing::debug!(target: "hyper::proto", "not ours");
        logs.set_level("error");
        tracing::warn!("no more");
        logs.set_level("what is[ this");
        tracing::info!("as ever");
    });
    let messages: Vec<String> = said(&logs).into_iter().map(|(_, message)| message).collect();
    assert_eq!(messages, ["a warning of others", "now", "as ever"]);
}

#[test]
fn diagnostics_go_to_their_ring_and_the_hook() {
    let logs = LogHandle::detached();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hooked = seen.clone();
    logs.on_diagnostic(Box::new(move |event| {
        tracing::error!("the hook's own line is dropped");
        lock(&hooked).push(event);
    }));
    with_default(logs.subscriber("info"), || {
        tracing::info!("a line");
        tracing::warn!(target: "diagnostic", source = "config", code = "config.invalid", line = 3, "words");
        tracing::error!(target: "diagnostic", "neither source nor code");
    });
    let (events, next) = logs.diagnostics(None, 10).expect("no cursor");
    assert_eq!(*lock(&seen), events);
    let shown: Vec<_> = events
        .iter()
        .map(|event| {
            (event.level, event.source.as_str(), event.code.as_str(), event.message.as_str(), event.fields.len())
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Level::Warn, "config", "config.invalid", "words", 1),
            (Level::Error, "unknown", "unknown", "neither source nor code", 0),
        ]
    );
    assert_eq!(said(&logs).len(), 3);
    assert_eq!(logs.diagnostics(Some(&next), 10).map(|(events, _)| events.len()), Some(0));
}

#[test]
fn secrets_and_floods_do_not_get_in() {
    let logs = LogHandle::detached();
    register_secret("sk-registered");
    with_default(logs.subscriber("info"), || {
        let token = "ab".repeat(32);
        tracing::info!(url = %format_args!("http://h/#token={token}"), key = ?"sk-registered", "with {token}");
        tracing::info!(big = "é".repeat(50_000), more = "x".repeat(5000), "{}", "m".repeat(1 << 20));
    });
    let (lines, _) = logs.tail(None, 10).expect("no cursor");
    let first = serde_json::to_value(&lines[0]).expect("serializes");
    assert_eq!(
        (&first["message"], &first["fields"]),
        (&json!("with …"), &json!({"url": "http://h/#token=…", "key": "\"…\""}))
    );
    let second = serde_json::to_string(&lines[1]).expect("serializes");
    assert!((8000..9000).contains(&second.len()), "{}", second.len());
}

#[test]
fn values_that_log_or_fail_do_no_harm() {
    struct Chatty<'a>(&'a AtomicUsize);
    impl fmt::Debug for Chatty<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fetch_add(1, Ordering::Relaxed);
            tracing::error!(again = ?self, "while it is shown");
            f.write_str("shown")?;
            Err(fmt::Error)
        }
    }
    let logs = LogHandle::detached();
    let shown = AtomicUsize::new(0);
    with_default(logs.subscriber("info"), || {
        tracing::info!(value = ?Chatty(&shown), "one");
        tracing::info!("two");
    });
    assert_eq!(said(&logs), [(Level::Info, "one".to_owned()), (Level::Info, "two".to_owned())]);
    assert_eq!(shown.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_in_the_hook_ends_neither_logging_nor_the_ring() {
    let logs = LogHandle::detached();
    logs.on_diagnostic(Box::new(|_| panic!("the hook fails")));
    with_default(logs.subscriber("info"), || {
        let caught = std::panic::catch_unwind(|| tracing::warn!(target: "diagnostic", "first"));
        assert!(caught.is_err());
        tracing::info!("second");
    });
    assert_eq!(said(&logs).len(), 2);
}

/// The only test that logs for the process: a second one would get the first one's logs.
#[test]
fn for_the_process_once_and_flushed_when_dropped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::at(folder.path().join("home"));
    home.create().expect("creates");
    let options = || LogOptions { home: &home, stderr: false, level: "info", json: false };
    let logs = init(options());
    let again = init(options());
    assert!(Arc::ptr_eq(&logs.shared, &again.shared) && Arc::ptr_eq(&logs.flush, &again.flush));
    // Unlike a test's own subscriber, the process's has nothing of its own against lines within lines.
    logs.on_diagnostic(Box::new(|_| tracing::error!("the hook's own line is dropped")));
    tracing::warn!(target: "diagnostic", "seen by the hook");
    assert!(said(&logs).iter().all(|(_, message)| !message.contains("hook's own")), "{:?}", said(&logs));
    std::thread::spawn(|| tracing::info!("from another thread")).join().expect("ends");
    drop((logs, again));
    let text = fs::read_to_string(home.logs_dir().join("gateway.log")).expect("is written");
    assert!(text.contains("from another thread"), "{text}");
    let later = init(options());
    assert!(later.tail(None, 100).expect("no cursor").0.iter().any(|line| line.message == "from another thread"));
}
