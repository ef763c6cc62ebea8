//! A full disk: nothing is acknowledged that is not stored, it is said in words, and afterwards all goes on (P11).

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use simpleclaw_tests::fakes::{Answer, Gate, Model, Step};
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use super::{assert_whole, history, text, until_idle};

/// Puts a file system of so many bytes at `folder`, for this thread and the processes that it starts. It goes with
/// them, so nothing is left to clean up.
#[cfg(target_os = "linux")]
pub fn mount_tiny(folder: &Path, bytes: usize) {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).expect("root");
    // Or the mount would be seen outside as well.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("a private tree");
    let options = format!("size={bytes}");
    mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).expect("a tmpfs");
}

#[cfg(not(target_os = "linux"))]
pub fn mount_tiny(_: &Path, _: usize) {
    unreachable!("ignored here");
}

/// Mounts a file on itself, as containers do with a configuration: it may be written, but not replaced.
#[cfg(target_os = "linux")]
fn pin(file: &Path) {
    use nix::mount::{MsFlags, mount};
    const NONE: Option<&str> = None;
    mount(Some(file), file, NONE, MsFlags::MS_BIND, NONE).expect("a bind mount");
}

#[cfg(target_os = "linux")]
fn unpin(file: &Path) {
    nix::mount::umount(file).expect("is mounted");
}

#[cfg(not(target_os = "linux"))]
fn pin(_: &Path) {
    unreachable!("ignored here");
}

#[cfg(not(target_os = "linux"))]
fn unpin(_: &Path) {
    unreachable!("ignored here");
}

/// Takes all the space that is left; the file to remove.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("ballast");
    let mut file = std::fs::File::create(&path).expect("a file");
    let mut size = 64 * 1024;
    while size > 0 {
        while file.write_all(&vec![7; size]).is_ok() {}
        size /= 2;
    }
    path
}

pub fn send(key: &str) -> Value {
    json!({ "sessionKey": "main", "message": format!("message {key}"), "idempotencyKey": key })
}

/// Every acknowledged message is there once and was answered; what was refused left nothing.
pub async fn check(client: &mut RawClient, acknowledged: &[String], refused: &str) {
    until_idle(client).await;
    let messages = history(client, "agent:main:main").await;
    assert_whole("main", &messages);
    for key in acknowledged {
        let of_run: Vec<&Value> = messages.iter().filter(|message| message["runId"] == key.as_str()).collect();
        assert_eq!(of_run.len(), 2, "{key}: {of_run:?}");
        assert_eq!(text(of_run[0]), format!("message {key}"));
        let run = client.ok("runs.get", json!({ "runId": key })).await;
        assert!(matches!(run["state"].as_str(), Some("ok" | "error")), "a run has no end: {run}");
    }
    assert_eq!(messages.len(), acknowledged.len() * 2);
    assert_eq!(client.err("runs.get", json!({ "runId": refused })).await["code"], "NOT_FOUND");
}

#[tokio::test]
#[cfg_attr(not(can_mount), ignore = "needs root")]
async fn a_full_disk_loses_nothing_and_acknowledges_nothing() {
    let model = Model::start().await;
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_tiny(&home.path(), 8 << 20);
    std::fs::write(home.path().join("config.yaml"), model.config("")).expect("the configuration");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let mut acknowledged = Vec::new();
    for number in 0..5 {
        client.ok("chat.send", send(&format!("before-{number}"))).await;
        acknowledged.push(format!("before-{number}"));
    }
    until_idle(&mut client).await;

    // One whose answer ends while there is no room to store it.
    let gate = Gate::new();
    model.script([Answer::Stream(vec![Step::Delta("Hel".into()), gate.step(), Step::Delta("lo.".into()), Step::Done])]);
    client.ok("chat.send", send("across")).await;
    acknowledged.push("across".to_owned());
    client.event_where("a delta", |event| event["runId"] == "across" && event["state"] == "delta").await;

    let ballast = fill(&home.path());
    let before = acknowledged.len();
    // Room within the database's own files may still take some.
    let mut error = Value::Null;
    for number in 0..200 {
        let key = format!("full-{number}");
        let answer = client.call("chat.send", send(&key)).await;
        if answer["ok"] == false {
            error = answer["error"].clone();
            break;
        }
        acknowledged.push(key);
    }
    assert_eq!(error["code"], "UNAVAILABLE", "{error}");
    assert_eq!(error["retryable"], true, "{error}");
    assert!(error["message"].as_str().expect("words").contains("disk is full"), "{error}");
    let refused = format!("full-{}", acknowledged.len() - before);
    gate.open();
    // Reading goes on, and so does refusing.
    client.ok("chat.history", json!({ "sessionKey": "main" })).await;
    assert_eq!(client.err("chat.send", send("still-full")).await["code"], "UNAVAILABLE");
    assert_eq!(client.err("runs.get", json!({ "runId": refused })).await["code"], "NOT_FOUND");
    let mut with_file = send("with-file");
    with_file["attachments"] = json!([{ "name": "a", "mimeType": "a/b", "content": "AAAA".repeat(50_000) }]);
    let error = client.err("chat.send", with_file).await;
    assert!(error["code"] == "UNAVAILABLE" && error["retryable"] == true, "{error}");
    assert!(error["message"].as_str().expect("words").contains("disk is full"), "{error}");
    // Longer than a run waits between two tries to store its end.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;

    std::fs::remove_file(ballast).expect("the ballast");
    for key in ["after", "still-full"] {
        client.ok("chat.send", send(key)).await;
        acknowledged.push(key.to_owned());
    }
    check(&mut client, &acknowledged, &refused).await;
    assert_eq!(client.ok("runs.get", json!({ "runId": "across" })).await["state"], "ok");

    let home = gateway.crash().await;
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    check(&mut client, &acknowledged, &refused).await;
}

/// A disk that is full or may not be written to: the configuration stays as it is, to the byte, and the answer says why.
#[tokio::test]
#[cfg_attr(not(can_mount), ignore = "needs root")]
async fn a_configuration_that_cannot_be_saved_stays_as_it_is() {
    const TEXT: &str = "# mine\nmodels: {detect: false}\n";
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_tiny(&home.path(), 8 << 20);
    let file = home.path().join("config.yaml");
    std::fs::write(&file, TEXT).expect("the configuration");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let set = |value: i32| json!({ "path": "runs.idleSeconds", "value": value });

    let ballast = fill(&home.path());
    let error = client.err("config.set", set(1)).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
    assert!(error["message"].as_str().expect("words").contains("nothing was changed"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).expect("is there"), TEXT);
    std::fs::remove_file(ballast).expect("the ballast");

    pin(&file);
    let error = client.err("config.set", set(2)).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(false)), "{error}");
    assert_eq!(client.ok("config.get", json!({ "path": "runs.idleSeconds" })).await["value"], 300);
    unpin(&file);
    assert_eq!(std::fs::read_to_string(&file).expect("is there"), TEXT);
    assert_eq!(client.ok("config.history", json!({})).await["versions"], json!([]));

    client.ok("config.set", set(3)).await;
    assert_eq!(std::fs::read_to_string(&file).expect("is there"), format!("{TEXT}runs:\n  idleSeconds: 3\n"));
    let left: Vec<_> =
        std::fs::read_dir(home.path()).expect("lists").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

/// A question that cannot be stored is refused in words and told to nobody; an answer that cannot be stored allows
/// nothing, and the question goes on waiting.
#[tokio::test]
#[cfg_attr(not(can_mount), ignore = "needs root")]
async fn a_full_disk_allows_nothing() {
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_tiny(&home.path(), 8 << 20);
    std::fs::write(home.path().join("config.yaml"), "models: {detect: false}\n").expect("the configuration");
    let gateway = Gateway::in_home(&home).await;
    let mut program = crate::approvals::asker(&gateway).await;
    let mut person = gateway.connect(Encoding::Json).await;
    let waiting = crate::approvals::ask(&mut program, crate::approvals::question(0)).await;
    let ballast = fill(&home.path());
    // Room within the database's own files may still take some messages.
    for number in 0..500 {
        let note = json!({ "sessionKey": "main", "message": format!("{number} {}", "x".repeat(20_000)) });
        if person.call("chat.inject", note).await["ok"] == false {
            break;
        }
    }
    let mut large = crate::approvals::question(1);
    large["action"]["script"] = "y".repeat(8_000).into();
    let error = program.err("exec.approval.request", large).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{error}");
    assert!(error["message"].as_str().expect("words").contains("disk is full"), "{error}");
    let answer = crate::approvals::resolve(&mut person, &waiting, "allow-once").await;
    let state = crate::approvals::now(&mut person, &waiting).await["state"].clone();
    // A small row may have found room; what was refused must not have happened.
    assert_eq!(state, if answer["ok"] == true { "allowed" } else { "pending" }, "{answer}");
    let told = person.events_so_far().await;
    let told_of = |name: &str| told.iter().filter(|event| event["type"] == name).count();
    assert_eq!(told_of("exec.approval.resolved"), usize::from(answer["ok"] == true), "{told:?}");
    assert!(told.iter().all(|event| event["payload"]["why"].is_null() || event["payload"]["id"] == waiting.as_str()));

    std::fs::remove_file(ballast).expect("the ballast");
    crate::approvals::ask(&mut program, crate::approvals::question(2)).await;
    assert_eq!(crate::approvals::verified(&mut person).await["ok"], true);
}
