//! `simpleclaw backup` beside a gateway that works, and where none may.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::canary::holding;
use simpleclaw_tests::fakes;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use crate::chat::{send, with_model};
use crate::clients::cli::{finish, run};
use crate::secrets::ask;

const KEY: &str = "agent:main:main";

/// Sends one message and waits for its acknowledgement, and a moment so that the answers keep up.
async fn say(client: &mut RawClient, number: usize) {
    client.ok("chat.send", send(KEY, &format!("message {number}"), &format!("run-{number}"))).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// The texts of the person's messages, oldest first, whatever still runs.
async fn said(client: &mut RawClient) -> Vec<String> {
    let mut texts = Vec::new();
    let mut params = json!({ "sessionKey": KEY, "limit": 100 });
    loop {
        let page = client.ok("chat.history", params.clone()).await;
        let messages = page["messages"].as_array().expect("messages");
        let of_person = messages.iter().filter(|message| message["role"] == "user");
        let mut older: Vec<String> =
            of_person.map(|message| message["content"][0]["text"].as_str().expect("a text").to_owned()).collect();
        older.append(&mut texts);
        texts = older;
        if page["hasMore"] != true {
            return texts;
        }
        params["before"] = messages[0]["id"].clone();
    }
}

/// Everything acknowledged before the command began is in it, and of what came meanwhile no gap.
#[tokio::test]
async fn made_while_people_talk_and_taken_back_elsewhere() {
    let (_model, gateway) = with_model("").await;
    let home = gateway.home.clone();
    let mut client = gateway.connect(Encoding::Json).await;
    let mut number = 0;
    for _ in 0..10 {
        say(&mut client, number).await;
        number += 1;
    }
    let file = home.path().with_file_name("backup.tar.gz");
    let name = file.to_str().expect("UTF-8").to_owned();
    let mut command = home.command();
    command.args(["backup", "create", &name, "--json"]);
    let mut making = std::pin::pin!(finish(command));
    let made = loop {
        tokio::select! {
            biased;
            made = &mut making => break made,
            () = say(&mut client, number) => number += 1,
        }
    };
    assert_eq!(made.code, Some(0), "{}{}", made.stdout, made.stderr);
    assert_eq!((&made.json()["file"], &made.json()["secrets"]), (&json!(name), &json!(false)));
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().expect("the file").permissions());
    assert_eq!(mode & 0o777, 0o600);
    let whole = run(&home, &["backup", "verify", &name]).await;
    assert!(whole.code == Some(0) && whole.stdout.starts_with("whole: "), "{}{}", whole.stdout, whole.stderr);

    let other = Home::new();
    let back = run(&other, &["backup", "restore", &name, "--json"]).await;
    assert_eq!((back.code, &back.json()["aside"]), (Some(0), &Value::Null), "{}", back.stderr);
    let restored = Gateway::in_home(&other).await;
    assert_ne!(restored.token, gateway.token, "no secrets were asked for");
    let texts = said(&mut restored.connect(Encoding::Msgpack).await).await;
    assert!(texts.len() >= 10, "{texts:?}");
    let expected: Vec<_> = (0..texts.len()).map(|number| format!("message {number}")).collect();
    assert_eq!(texts, expected);
}

/// A new folder beside a backup, with what any tar finds in it.
pub fn unpack(file: &Path) -> PathBuf {
    let folder = file.with_extension("unpacked");
    std::fs::create_dir(&folder).expect("a new folder");
    let status = Command::new("tar").arg("-xzf").arg(file).arg("-C").arg(&folder).status();
    assert!(status.expect("tar runs").success());
    folder
}

/// Without secrets a backup has none that stand as text in the configuration, and says so; what it has can be used, and
/// works again as soon as they are given. With secrets it has everything as it stands.
#[tokio::test]
async fn secrets_in_the_configuration_stay_at_home() {
    let (model, gateway) = with_model("# the end\n").await;
    let home = gateway.home.clone();
    let mut client = gateway.connect(Encoding::Json).await;
    for seconds in [100, 200] {
        client.ok("config.set", json!({ "path": "runs.idleSeconds", "value": seconds })).await;
    }
    let text = std::fs::read_to_string(home.path().join("config.yaml")).expect("is there");
    assert_eq!(holding(&home.path(), fakes::KEY).len(), 4, "the file, the last good one, two versions");

    let file = home.path().with_file_name("without.tar.gz");
    let name = file.to_str().expect("UTF-8");
    let made = run(&home, &["backup", "create", name]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    for words in [
        "left out: config.yaml (the secret at /models/providers/fake/apiKey; after a restore, `simpleclaw secrets set fake`",
        "left out: state/config.last-good.yaml, config.history/",
        "(secrets stand in it as text)",
    ] {
        assert!(made.stderr.contains(words), "{}", made.stderr);
    }
    assert!(!format!("{}{}", made.stdout, made.stderr).contains(fakes::KEY));
    assert_eq!(holding(&unpack(&file), fakes::KEY), Vec::<String>::new());
    let whole = run(&home, &["backup", "verify", name, "--json"]).await;
    assert_eq!((whole.code, &whole.json()["secrets"]), (Some(0), &json!(false)), "{}", whole.stderr);
    assert_eq!(whole.json()["leftOut"].as_array().map(Vec::len), Some(4));

    let other = Home::new();
    let back = run(&other, &["backup", "restore", name]).await;
    assert!(back.code == Some(0) && back.stderr.contains("simpleclaw secrets set fake"), "{}", back.stderr);
    let restored = Gateway::in_home(&other).await;
    let mut client = restored.connect(Encoding::Msgpack).await;
    let now = client.ok("config.get", json!({})).await;
    assert_eq!((&now["valid"], &now["value"]["runs"]["idleSeconds"]), (&json!(true), &json!(200)));
    let end = ask(&mut client, "without").await;
    let words = end["error"]["message"].as_str().unwrap_or_default();
    assert!(words.contains("there is no secret `fake`; run `simpleclaw secrets set fake`"), "{end}");
    client.ok("secrets.set", json!({ "name": "fake", "value": fakes::KEY })).await;
    assert_eq!(ask(&mut client, "with").await["state"], "final");
    assert_eq!(model.faults(), Vec::<String>::new());

    let file = home.path().with_file_name("with.tar.gz");
    let made = run(&home, &["backup", "create", file.to_str().expect("UTF-8"), "--secrets"]).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let unpacked = unpack(&file).join("simpleclaw-backup");
    assert_eq!(std::fs::read_to_string(unpacked.join("config.yaml")).expect("is there"), text);
    assert_eq!(holding(&unpacked, fakes::KEY).len(), 4);
}

/// Nothing is overwritten: not a file that is there, not a home in use, not a home with anything in it.
#[tokio::test]
async fn refused_rather_than_overwritten() {
    let mut gateway = Gateway::start().await;
    let home = gateway.home.clone();
    let file = home.path().with_file_name("backup.tar.gz");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(run(&home, &["backup", "create", name, "--secrets"]).await.code, Some(0));
    let bytes = std::fs::read(&file).expect("the backup");
    let again = run(&home, &["backup", "create", name, "--json"]).await;
    assert_eq!((again.code, &again.json()["error"]["code"]), (Some(1), &json!("REFUSED")));
    assert_eq!(std::fs::read(&file).expect("the backup"), bytes);

    let runs = run(&home, &["backup", "restore", name, "--force"]).await;
    assert!(runs.code == Some(1) && runs.stderr.contains(&gateway.pid.to_string()), "{}", runs.stderr);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.exited().await.code(), Some(0));
    let full = run(&home, &["backup", "restore", name]).await;
    assert!(full.code == Some(1) && full.stderr.contains("--force"), "{}", full.stderr);

    std::fs::write(home.path().join("note"), "mine").expect("a file");
    let forced = run(&home, &["backup", "restore", name, "--force", "--json"]).await;
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    let value = forced.json();
    let aside = std::path::Path::new(value["aside"].as_str().expect("where the old one is"));
    assert_eq!(std::fs::read_to_string(aside.join("note")).expect("the old home"), "mine");
    assert!(!home.path().join("note").exists());
    let back = Gateway::in_home(&home).await;
    assert_eq!(back.token, gateway.token, "secrets were asked for");
}

/// A file with one wrong byte is refused, and no home is touched.
#[tokio::test]
async fn a_damaged_file_is_refused() {
    let gateway = Gateway::start().await;
    let file = gateway.home.path().with_file_name("backup.tar.gz");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(run(&gateway.home, &["backup", "create", name]).await.code, Some(0));
    let mut bytes = std::fs::read(&file).expect("the backup");
    let middle = bytes.len() / 2;
    bytes[middle] = !bytes[middle];
    std::fs::write(&file, bytes).expect("the backup");
    let other = Home::new();
    for arguments in [["backup", "verify", name, "--json"], ["backup", "restore", name, "--json"]] {
        let refused = run(&other, &arguments).await;
        assert_eq!(refused.code, Some(1), "{arguments:?}");
        assert!(refused.json()["error"]["code"].is_string(), "{}", refused.stdout);
        assert!(!other.path().exists());
    }
}

/// Killed at any moment of a restore, the home is the old one or the restored one, and whole.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_restore_that_is_killed_leaves_one_home() {
    let mut gateway = Gateway::start().await;
    let home = gateway.home.clone();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.exited().await.code(), Some(0));
    let workspace = home.path().join("agents/main/workspace");
    std::fs::create_dir_all(&workspace).expect("a workspace");
    for number in 0..50 {
        std::fs::write(workspace.join(format!("{number}")), "x").expect("a file");
    }
    std::fs::write(workspace.join("which"), "saved").expect("a file");
    let file = home.path().with_file_name("backup.tar.gz");
    let name = file.to_str().expect("UTF-8");
    assert_eq!(run(&home, &["backup", "create", name]).await.code, Some(0));

    let restore = ["backup", "restore", name, "--force"];
    for round in 0..30 {
        let before = format!("round {round}");
        std::fs::write(workspace.join("which"), &before).expect("a file");
        let mut command = home.command();
        command.args(restore).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the command starts");
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..150))).await;
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("a child of ours");
        let which = std::fs::read_to_string(workspace.join("which")).expect("one of the two");
        assert!(which == before || which == "saved", "{which}");
        for number in 0..50 {
            assert!(workspace.join(format!("{number}")).exists(), "{number} is missing in round {round}");
        }
        assert!(home.path().join("state/gateway.db").exists() && home.path().join("config.yaml").exists());
    }
    let last = run(&home, &restore).await;
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert_eq!(std::fs::read_to_string(workspace.join("which")).expect("the file"), "saved");
    Gateway::in_home(&home).await.connect(Encoding::Json).await.ok("status", json!({})).await;
}
