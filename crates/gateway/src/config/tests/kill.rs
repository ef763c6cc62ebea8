//! Killed in the middle of writing: the file is the old one or the new one, never between.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt as _;
use serde_json::json;

use super::*;

const ROUNDS: usize = 200;
const HOME: &str = "SIMPLECLAW_TEST_KILL_HOME";

fn text(n: u64) -> String {
    let filler: String =
        (0..400).map(|line| format!("# line {line} of a long comment that makes the file larger\n")).collect();
    format!("{filler}runs:\n  idleSeconds: {n}  # changes\n")
}

fn change(home: &Home, n: u64) {
    let request = Request {
        change: Change::Set { path: "runs.idleSeconds".to_owned(), value: json!(n) },
        base_hash: None,
        dry_run: false,
        by: "a child".to_owned(),
        at: crate::clock::Clock.now(),
        mark: None,
        moved: vec![],
    };
    make(home, request, &inspect(home), &no_variables).expect("changes");
}

/// Not a test of its own: the process that is killed below.
#[test]
#[ignore = "needs the test below, which starts and kills it"]
fn child() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let home = Home::at(home);
    let first = u64::from(load_with(&home, &no_variables).expect("loads").config.runs.idle_seconds);
    for n in (1..=3600).cycle().skip(first as usize) {
        change(&home, n);
        println!("written");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test that waits for no event, but for any moment")]
fn killed_at_any_moment() {
    let (_folder, home) = fresh();
    fs::write(home.config_path(), text(1)).expect("writes");
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "config::tests::kill::child", "--ignored", "--nocapture"])
            .env(HOME, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        // Not before it writes, for then there is nothing to cut.
        lines
            .find(|line| line.as_ref().is_ok_and(|line| line.contains("written")))
            .expect("it writes")
            .expect("a line");
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..30_000)));
        child.kill().expect("is killed");
        child.wait().expect("ends");

        let now = fs::read_to_string(home.config_path()).expect("is there");
        let loaded = load_with(&home, &no_variables).expect("loads");
        let n = u64::from(loaded.config.runs.idle_seconds);
        assert_eq!(now, text(n), "round {round}: whole");
        seen.insert(n);
        let good = fs::read_to_string(last_good_path(&home)).expect("is there");
        assert_eq!(good, now);
        let versions = versions(&home).versions;
        assert!(versions.len() <= 50);
        for version in &versions {
            let former = history::text(&home, &version.id).expect("reads").expect("is there");
            let former = String::from_utf8(former).expect("UTF-8");
            assert!(tree::parse(&former).is_ok() && former.lines().count() == 402, "round {round}: {former}");
        }
    }
    assert!(seen.len() > 3, "{seen:?}");
    change(&home, 3601 - 1);
    let left: Vec<_> = fs::read_dir(home.path()).expect("lists").map(|e| e.expect("entry").file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}
