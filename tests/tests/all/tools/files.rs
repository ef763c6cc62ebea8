//! `read`, `write`, `edit`, `list`, `search`: their good ways, and every way out of the workspace (class 16).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;
use simpleclaw_tests::Encoding;

use super::{run, workspace};
use crate::chat::with_model;

/// A file is written, changed, read in parts, listed and found, without a question.
#[tokio::test]
async fn a_file_from_its_beginning() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let calls = [
        ("write", json!({ "path": "notes/a.md", "content": "one\ntwo\nthree\n" })),
        ("edit", json!({ "path": "notes/a.md", "edits": [{ "oldText": "two", "newText": "2" }] })),
        ("read", json!({ "path": "notes/a.md", "offset": 2, "limit": 1 })),
        ("list", json!({ "path": "notes" })),
        ("search", json!({ "pattern": "THREE" })),
        ("edit", json!({ "path": "notes/a.md", "edits": [{ "oldText": "e", "newText": "x" }] })),
        ("read", json!({ "path": "notes/none.md" })),
        ("read", json!({ "path": "notes" })),
    ];
    let told = run(&model, &mut client, "r", None, &calls).await;
    let results = told.results();
    let expected = [
        (false, "notes/a.md is written: 14 bytes."),
        (false, "notes/a.md is changed:\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"),
        (false, "2\n(lines 2 to 2 of 3; go on with offset 3)\n"),
        (false, "a.md  12\n"),
        (false, "notes/a.md:3: three\n"),
    ];
    for ((is_error, words), (error, expected)) in results.iter().zip(expected) {
        assert_eq!((*is_error, words.as_str()), (error, expected));
    }
    assert!(results[5].0 && results[5].1.contains("more than once"), "{:?}", results[5]);
    assert!(results[6].0 && results[6].1.contains("there is no notes/none.md"), "{:?}", results[6]);
    assert!(results[7].0 && results[7].1.contains("is a folder"), "{:?}", results[7]);
    assert_eq!(fs::read_to_string(workspace(&gateway).join("notes/a.md")).expect("the file"), "one\n2\nthree\n");
}

/// The mode of a file stays as it was, and nothing is left beside it.
#[tokio::test]
async fn a_written_file_keeps_its_mode() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let path = workspace(&gateway).join("run.sh");
    fs::write(&path, "#!/bin/sh\n").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).expect("a mode");
    let told = run(&model, &mut client, "r", None, &[("write", json!({ "path": "run.sh", "content": "new" }))]).await;
    assert!(!told.result().0, "{:?}", told.result());
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o750);
    assert_eq!(fs::read_dir(workspace(&gateway)).expect("lists").count(), 1);
}

/// Nothing that the gateway keeps for itself is read or written by any spelling, in no mode, and nobody is asked.
#[tokio::test]
async fn the_gateways_own_files_are_out_of_reach() {
    for mode in ["ask", "full"] {
        let (model, gateway) = with_model(&format!("tools: {{exec: {{mode: {mode}}}}}")).await;
        let mut client = gateway.connect(Encoding::Msgpack).await;
        let (home, folder) = (gateway.home.path(), workspace(&gateway));
        fs::write(home.join("secrets.yaml"), "canary-of-secrets: 1\n").expect("a file");
        symlink(&home, folder.join("up")).expect("a link");
        symlink(home.join("secrets.yaml"), folder.join("link")).expect("a link");
        fs::hard_link(home.join("secrets.yaml"), folder.join("second-name")).expect("a second name");
        let config = fs::read(home.join("config.yaml")).expect("the configuration");
        let own = home.display().to_string();
        let mut calls = Vec::new();
        for path in [
            "link",
            "second-name",
            "up/secrets.yaml",
            "up/token",
            "up/config.yaml",
            "../../../secrets.yaml",
            "sub/../../../../token",
            "./up/state/gateway.db",
            "/proc/self/environ",
            &format!("{own}/secrets.yaml"),
            &format!("{own}//state/../secrets.yaml"),
            &format!("{own}/plugins/evil/plugin.yaml"),
            &format!("{own}/new"),
        ] {
            calls.push(("read", json!({ "path": path })));
            calls.push(("write", json!({ "path": path, "content": "evil" })));
        }
        calls.push(("list", json!({ "path": "up" })));
        calls.push(("search", json!({ "pattern": "canary", "path": "up" })));
        for (number, calls) in calls.chunks(14).enumerate() {
            let told = run(&model, &mut client, &format!("r{number}"), None, calls).await;
            for ((is_error, words), call) in told.results().iter().zip(calls) {
                // A second name may be replaced by a file of its own: that leaves the gateway's as it is.
                let replaced = call.0 == "write" && call.1["path"] == "second-name";
                assert!(*is_error || replaced, "{mode} {call:?}: {words}");
                assert!(!words.contains("canary-of-secrets"), "{call:?}");
            }
        }
        assert_eq!(fs::read(home.join("config.yaml")).expect("the configuration"), config);
        assert_eq!(fs::read_to_string(home.join("secrets.yaml")).expect("the secrets"), "canary-of-secrets: 1\n");
        assert!(!home.join("new").exists() && !home.join("plugins").exists());
    }
}

/// What lies beyond the workspace is asked about, by its canonical path, and left alone where the answer is no.
#[tokio::test]
async fn beyond_the_workspace_is_asked() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let outside = tempfile::tempdir().expect("a folder");
    let outside = outside.path().canonicalize().expect("canonical");
    fs::write(outside.join("letter"), "dear").expect("a file");
    symlink(&outside, workspace(&gateway).join("away")).expect("a link");
    let calls = [
        ("read", json!({ "path": "away/letter" })),
        ("write", json!({ "path": "away/new", "content": "x" })),
        ("list", json!({ "path": outside })),
        ("search", json!({ "path": outside, "pattern": "." })),
    ];
    let told = run(&model, &mut client, "no", Some("deny"), &calls).await;
    let asked: Vec<_> =
        told.asked.iter().map(|asked| (asked["action"]["kind"].clone(), asked["action"]["path"].clone())).collect();
    let expected = [("read", "letter"), ("write", "new"), ("list", ""), ("search", "")]
        .map(|(kind, name)| (json!(kind), json!(outside.join(name).components().collect::<std::path::PathBuf>())));
    assert_eq!(asked, expected);
    // One yes to a search is one to every file below.
    let why = told.asked[3]["why"].as_str().expect("words");
    assert!(why.contains("every file there and in all folders below"), "{why}");
    assert!(
        told.results().iter().all(|(is_error, words)| *is_error && words.contains("denied")),
        "{:?}",
        told.results()
    );
    assert!(!outside.join("new").exists());
    let told = run(&model, &mut client, "yes", Some("allow-once"), &calls).await;
    let results = told.results();
    assert!(results.iter().all(|(is_error, _)| !is_error), "{results:?}");
    assert!(results[0].1.contains("dear") && results[0].1.contains("Content from outside"), "{}", results[0].1);
    assert_eq!(fs::read_to_string(outside.join("new")).expect("the file"), "x");
}

/// A program of a person that becomes a script, and stays one that can be run: the question shows every line of it.
#[tokio::test]
async fn what_replaces_a_binary_file_is_shown() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let outside = tempfile::tempdir().expect("a folder");
    let tool = outside.path().canonicalize().expect("canonical").join("tool");
    fs::write(&tool, b"\x7fELF\xff\xfe\0").expect("a file");
    let call = json!({ "path": tool, "content": "#!/bin/sh\necho evil\n" });
    let told = run(&model, &mut client, "r", Some("deny"), &[("write", call)]).await;
    let diff = told.asked[0]["action"]["diff"].as_str().expect("a diff");
    assert!(diff.starts_with("what is there now is no text: 7 bytes"), "{diff}");
    assert!(diff.ends_with("\n+#!/bin/sh\n+echo evil\n"), "{diff}");
}

/// Devices, pipes, binary and huge files are said, and none is waited for.
#[tokio::test]
async fn odd_files_are_said() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let folder = workspace(&gateway);
    nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    fs::write(folder.join("binary"), b"a\0b").expect("a file");
    fs::File::create(folder.join("huge")).expect("a file").set_len(1 << 30).expect("a size");
    symlink("nowhere", folder.join("dangling")).expect("a link");
    symlink("loop", folder.join("loop")).expect("a link");
    let names = ["pipe", "binary", "huge", "dangling", "loop", "/dev/zero", "/dev/tty"];
    let calls: Vec<_> = names.iter().map(|name| ("read", json!({ "path": name }))).collect();
    let told = run(&model, &mut client, "r", None, &calls).await;
    for ((is_error, words), name) in told.results().iter().zip(names) {
        assert!(is_error, "{name}: {words}");
    }
    let written = [
        ("write", json!({ "path": "dangling", "content": "x" })),
        ("write", json!({ "path": "pipe", "content": "x" })),
    ];
    let told = run(&model, &mut client, "w", None, &written).await;
    assert!(told.results().iter().all(|(is_error, _)| *is_error), "{:?}", told.results());
    assert!(!folder.join("nowhere").exists());
}
