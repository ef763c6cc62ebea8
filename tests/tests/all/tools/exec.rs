//! `exec` and `process`: what runs, what it prints, what it may not do.

use serde_json::json;
use simpleclaw_tests::Encoding;

use super::{enforced, follow, run, script, workspace};
use crate::chat::{send, with_model};

/// A plain command and a script run in the workspace; what they print is streamed and given, and so is how they failed.
#[tokio::test]
async fn commands_run_and_say_how_they_ended() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    std::fs::write(workspace(&gateway).join("a.txt"), "hello\n").expect("a file");
    let calls = [
        ("exec", json!({ "argv": ["cat", "a.txt"] })),
        ("exec", json!({ "command": "cat a.txt | tr a-z A-Z; echo made > b.txt" })),
        ("exec", json!({ "command": "echo out; echo err >&2; exit 3" })),
        ("exec", json!({ "argv": ["true"] })),
        // Reads its input to the end: there is none.
        ("exec", json!({ "argv": ["cat"] })),
    ];
    let told = run(&model, &mut client, "r", Some("allow-once"), &calls).await;
    let results = told.results();
    assert_eq!(results[0], (false, "hello".to_owned()));
    assert_eq!(results[1], (false, "HELLO".to_owned()));
    assert!(results[2].0 && results[2].1.contains("out") && results[2].1.contains("err"), "{:?}", results[2]);
    assert!(results[2].1.contains("it ended with code 3"), "{}", results[2].1);
    assert_eq!(results[3], (false, "(it printed nothing)".to_owned()));
    assert!(!results[4].0, "{:?}", results[4]);
    assert!(told.output().contains("hello") && told.output().contains("HELLO"), "{}", told.output());
    assert_eq!(std::fs::read_to_string(workspace(&gateway).join("b.txt")).expect("a file"), "made\n");
    if enforced(&mut client).await {
        assert_eq!(told.asked.len(), 0, "what stays inside is not asked about: {:?}", told.asked);
    }
}

/// Inside the sandbox there is no network, nothing of the gateway's and nothing of anybody's home.
#[tokio::test]
async fn a_confined_command_stays_in() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    if !enforced(&mut client).await {
        // What cannot be enforced is asked about; `approvals` has that.
        return;
    }
    let home = gateway.home.path();
    std::fs::write(home.join("secrets.yaml"), "canary: 1\n").expect("a file");
    let own = home.display();
    let config = std::fs::read_to_string(home.join("config.yaml")).expect("the configuration");
    let calls = [
        ("exec", json!({ "command": format!("cat {own}/secrets.yaml {own}/token {own}/config.yaml") })),
        ("exec", json!({ "command": format!("echo evil > {own}/config.yaml") })),
        ("exec", json!({ "command": "echo x > /etc/simpleclaw-was-here" })),
        ("exec", json!({ "command": format!("exec 3<>/dev/tcp/127.0.0.1/{}", gateway.port) })),
        ("exec", json!({ "argv": ["sh", "-v", home.join("secrets.yaml")] })),
        ("exec", json!({ "argv": ["perl", "-n", "-e", "print", home.join("token")] })),
        ("exec", json!({ "command": "env" })),
    ];
    let told = run(&model, &mut client, "r", None, &calls).await;
    let results = told.results();
    for (number, (is_error, words)) in results[..6].iter().enumerate() {
        // Where the home lies below /tmp, what a command writes there is in a /tmp of its own, and gone with it.
        assert!(*is_error || number == 1, "{:?}: {words}", calls[number]);
        assert!(!words.contains("canary") && !words.contains(&gateway.token), "{words}");
    }
    assert_eq!(std::fs::read_to_string(home.join("config.yaml")).expect("the configuration"), config);
    assert!(!results[6].1.contains("SIMPLECLAW_HOME"), "{}", results[6].1);
    assert!(!std::path::Path::new("/etc/simpleclaw-was-here").exists());
}

/// A file that is handed to a command as if it were a script is seen by it, so that is asked about.
#[tokio::test]
async fn a_file_of_a_person_is_no_script_by_being_named() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().canonicalize().expect("its name").join("key");
    std::fs::write(&key, "# canary\n").expect("a file");
    let calls = [("exec", json!({ "argv": ["sh", "-v", key] }))];
    let told = run(&model, &mut client, "denied", Some("deny"), &calls).await;
    assert!(told.result().0 && !told.result().1.contains("canary"), "{:?}", told.result());
    if enforced(&mut client).await {
        let why = told.asked[0]["why"].as_str().expect("words");
        assert!(why.starts_with(&format!("It gets to see {}", key.display())), "{why}");
    }
    let told = run(&model, &mut client, "allowed", Some("allow-once"), &calls).await;
    assert!(told.result().1.contains("canary"), "{:?}", told.result());
}

/// Nobody is asked about what a command could not be given in the end: only folders that are there can be written.
#[tokio::test]
async fn only_folders_are_asked_for_to_be_written() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path().canonicalize().expect("its name");
    let (file, link) = (top.join("file"), top.join("link"));
    std::fs::write(&file, "theirs\n").expect("a file");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let writing = |path: &std::path::Path| {
        let command = format!("echo x >> {}/made", top.display());
        ("exec", json!({ "command": command, "writes": [path] }))
    };
    let calls = [writing(&file), writing(&link), writing(&top.join("none")), writing(&file.join("below"))];
    let told = run(&model, &mut client, "refused", None, &calls).await;
    for (is_error, words) in told.results() {
        assert!(is_error && words.contains("folder"), "{words}");
    }
    let told = run(&model, &mut client, "folder", Some("allow-once"), &[writing(&top)]).await;
    assert_eq!((told.asked.len(), told.result().0), (1, false), "{:?}", told.result());
    assert_eq!(std::fs::read_to_string(top.join("made")).expect("a file"), "x\n");
}

/// Temporary files stay for the other commands of the session, over a restart too; no other session sees them, nor the
/// same one after it began anew.
#[tokio::test]
async fn temporary_files_are_of_the_session() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    if !enforced(&mut client).await {
        // Commands that nothing keeps in use the machine's own.
        return;
    }
    let read = [("exec", json!({ "command": "cat \"$TMPDIR/file\"" }))];
    let write = [("exec", json!({ "command": "echo kept > \"$TMPDIR/file\"" })), read[0].clone()];
    let told = run(&model, &mut client, "write", None, &write).await;
    assert_eq!(told.results()[1], (false, "kept".to_owned()));
    script(&model, &read);
    client.ok("chat.send", send("agent:main:other", "go", "other")).await;
    let told = follow(&mut client, "other", None).await;
    assert!(told.result().0 && !told.result().1.contains("kept"), "{:?}", told.result());
    let home = gateway.crash().await;
    let gateway = simpleclaw_tests::Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let told = run(&model, &mut client, "again", None, &read).await;
    assert_eq!(told.result(), (false, "kept".to_owned()));
    client.ok("sessions.reset", json!({ "key": "main" })).await;
    let told = run(&model, &mut client, "anew", None, &read).await;
    assert!(told.result().0 && !told.result().1.contains("kept"), "{:?}", told.result());
}

/// Output without end is cut, the rest is counted, and the gateway does not grow.
#[tokio::test]
async fn output_without_end_is_bounded() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let before = gateway.rss();
    let endless = json!({ "argv": ["yes", "a line that comes again and again"], "timeoutSeconds": 2 });
    let told = run(&model, &mut client, "r", Some("allow-once"), &[("exec", endless)]).await;
    let (is_error, words) = told.result();
    assert!(
        is_error && words.contains("timeoutSeconds") && words.contains("left out"),
        "{}",
        &words[words.len() - 300..]
    );
    assert!(words.len() < 64 * 1024, "{}", words.len());
    assert!(told.output().len() <= 1024 * 1024 + 4096, "{}", told.output().len());
    assert!(gateway.rss() < before + 64 * 1024 * 1024);
}

/// A program in the background is polled, written to and killed; it is its own session's alone, and there are only so many.
#[tokio::test]
async fn programs_in_the_background() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let start = json!({ "argv": ["cat"], "background": true });
    let told = run(&model, &mut client, "start", Some("allow-once"), &[("exec", start.clone())]).await;
    let (is_error, words) = told.result();
    assert!(!is_error, "{words}");
    let id = words.split('"').nth(1).expect("an id").to_owned();
    let calls = [
        ("process", json!({ "action": "write", "id": id, "text": "ping\n" })),
        ("process", json!({ "action": "poll", "id": id, "waitSeconds": 20 })),
        ("process", json!({ "action": "list" })),
        ("process", json!({ "action": "kill", "id": id })),
        ("process", json!({ "action": "poll", "id": id })),
    ];
    let told = run(&model, &mut client, "use", None, &calls).await;
    let results = told.results();
    assert!(results[1].1.contains("ping") && results[1].1.contains("goes on"), "{}", results[1].1);
    assert!(results[2].1.contains(&id) && results[2].1.contains("cat"), "{}", results[2].1);
    assert!(results[3].1.contains("stopped") && results[4].1.contains("stopped"), "{results:?}");
    let many: Vec<_> = (0..5).map(|_| ("exec", start.clone())).collect();
    let told = run(&model, &mut client, "many", Some("allow-once"), &many).await;
    let results = told.results();
    assert!(results[..4].iter().all(|(is_error, _)| !is_error), "{results:?}");
    assert!(results[4].0 && results[4].1.contains("no more may"), "{:?}", results[4]);
}

/// What a command brings from the network taints the session, over a restart too.
#[tokio::test]
async fn the_network_taints() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let call = json!({ "argv": ["echo", "from outside"], "network": true, "description": "to see\u{202e} it" });
    let told = run(&model, &mut client, "r", Some("allow-once"), &[("exec", call.clone())]).await;
    assert_eq!((told.asked.len(), &told.asked[0]["action"]["network"]), (1, &json!(true)));
    assert!(!told.asked[0]["action"]["description"].to_string().contains('\u{202e}'));
    assert_eq!(told.asked[0]["origin"]["untrusted"], json!([]));
    assert!(told.result().1.contains("Content from outside"), "{}", told.result().1);
    let home = gateway.crash().await;
    let gateway = simpleclaw_tests::Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let told = run(&model, &mut client, "again", Some("deny"), &[("exec", call.clone())]).await;
    assert_eq!(told.asked[0]["origin"]["untrusted"], json!(["the command echo from outside"]));
    assert!(told.result().0);
    // A session that begins anew has nothing from outside.
    client.ok("sessions.reset", json!({ "key": "main" })).await;
    let told = run(&model, &mut client, "anew", Some("deny"), &[("exec", call)]).await;
    assert_eq!(told.asked[0]["origin"]["untrusted"], json!([]));
}
