//! Secrets that leave the file for where they are kept by name.

use serde_json::json;

use super::changes::Files;
use super::*;

const TEXT: &str = "# mine\ngateway:\n  port: 5  # five\nchannels:\n  x: {token: planted-0123456789, on: true}\n";

/// The versions as they lie on the disk, oldest first.
fn kept(files: &Files) -> Vec<String> {
    let entries = fs::read_dir(files.home.history_dir()).expect("lists");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("reads")).collect()
}

#[test]
fn a_moved_secret_leaves_every_version() {
    let start = TEXT.replace("# mine", "# mine, not planted-0123456789");
    let mut files = Files::new(&start);
    files.set("runs.idleSeconds", json!(5)).expect("changes");
    // Another way to write it, and a text that nobody can read.
    let escaped = files.text().replace("token: planted-0123456789", "token: \"planted-012345678\\u0039\"");
    fs::write(files.home.config_path(), &escaped).expect("writes");
    files.set("runs.idleSeconds", json!(6)).expect("changes");
    fs::write(files.home.config_path(), "cron: [\n# planted-0123456789\n").expect("writes");
    files.make(Change::Raw(start.clone())).expect("is mended");
    assert_eq!(kept(&files).iter().filter(|version| version.contains("planted")).count(), 3);

    let change = Change::Set { path: "channels.x.token".to_owned(), value: json!({"secret": "x"}) };
    let path = "/channels/x/token".to_owned();
    let moved = Literal { path, name: "x".to_owned(), secret: Secret::new("planted-0123456789") };
    files.ask(change, |request| request.moved = vec![moved]).expect("moves");
    let text = files.text();
    assert!(text.starts_with("# mine, not __masked__\ngateway:\n  port: 5  # five\n"), "{text}");
    assert!(!text.contains("planted") && fs::read(last_good_path(&files.home)).ok() == Some(text.into_bytes()));
    assert_eq!(kept(&files).len(), 4);
    for version in kept(&files) {
        assert!(!version.contains("planted"), "{version}");
    }
    let versions = versions(&files.home).versions;
    let ids: Vec<String> = versions.into_iter().map(|version| version.id).collect();
    for (id, seconds) in [(&ids[0], 300), (&ids[2], 5), (&ids[3], 300)] {
        files.make(Change::Restore(id.clone())).expect("goes back");
        let running = inspect(&files.home);
        assert_eq!(get(&running, "channels.x"), Some(json!({"token": {"secret": "x"}, "on": true})));
        assert_eq!(get(&running, "runs.idleSeconds"), Some(json!(seconds)));
        assert!(files.text().contains("gateway:\n  port: 5  # five\nchannels:\n"), "{}", files.text());
    }
    assert!(matches!(files.make(Change::Restore(ids[1].clone())), Err(NotChanged::Invalid(_))), "no YAML");
    assert!(!kept(&files).concat().contains("planted"));
}

/// A short word is only taken where it is a secret, and a version that cannot be had without it goes.
#[test]
fn a_short_secret_leaves_every_version_too() {
    let mut files = Files::new("channels: {x: {token: red}}  # red\n");
    fs::write(files.home.config_path(), "cron: [\n# red\n").expect("writes");
    files.make(Change::Raw("channels: {x: {token: red}}  # red\n".to_owned())).expect("is mended");
    let change = Change::Set { path: "channels.x.token".to_owned(), value: json!({"secret": "x"}) };
    let moved = Literal { path: String::new(), name: "x".to_owned(), secret: Secret::new("red") };
    files.ask(change, |request| request.moved = vec![moved]).expect("moves");
    let kept = kept(&files);
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].contains("token: red") && kept[0].ends_with("# red\n"), "{}", kept[0]);
}

/// What is no move keeps its way back: nobody else may have the secret.
#[test]
fn a_reference_to_another_secret_can_be_taken_back() {
    let mut files = Files::new(TEXT);
    files.set("channels.x.token", json!({"secret": "x"})).expect("changes");
    let versions = versions(&files.home).versions;
    files.make(Change::Restore(versions[0].id.clone())).expect("goes back");
    assert_eq!(files.text(), TEXT);
}
