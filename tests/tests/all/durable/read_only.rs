//! A home that may not be written: a start says so, and what becomes so under a running gateway acknowledges nothing
//! (P11).

#![cfg(target_os = "linux")]

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway};

use super::disk::{check, mount_tiny, send};
use super::power::{mount_image, mount_new_image};
use super::{history, until_idle};

fn remount(folder: &Path, flags: MsFlags, options: Option<&str>) {
    const NONE: Option<&str> = None;
    mount(NONE, folder, NONE, MsFlags::MS_REMOUNT | flags, options).expect("is mounted, and nobody writes there");
}

/// One that is still empty, and one in which a gateway has run.
#[tokio::test]
#[cfg_attr(not(can_mount), ignore = "needs root")]
async fn a_read_only_home_ends_the_start_in_words() {
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_tiny(&home.path(), 8 << 20);
    for what in ["an empty home", "a used home"] {
        remount(&home.path(), MsFlags::MS_RDONLY, None);
        let failed = Gateway::try_in_home(&home, &["--port", "0"]).await.err().expect("it must not start");
        assert_eq!((failed.exit, &failed.line["event"]), (Some(1), &json!("failed")), "{what}: {failed:?}");
        assert_eq!(failed.line["error"]["code"], "HOME", "{what}: {failed:?}");
        let words = failed.line["error"]["message"].as_str().expect("words");
        let place = home.path().display().to_string();
        for part in [&*place, "cannot be written: Read-only file system", "make it writable", "set SIMPLECLAW_HOME"] {
            assert!(words.contains(part), "{what}: {words:?} lacks {part:?}");
        }
        // With that put right, it starts.
        remount(&home.path(), MsFlags::empty(), None);
        std::fs::write(home.path().join("config.yaml"), "models: {detect: false}\n").expect("the configuration");
        let mut gateway = Gateway::in_home(&home).await;
        gateway.connect(Encoding::Json).await.ok("status", json!({})).await;
        gateway.signal(Signal::SIGTERM);
        assert_eq!(gateway.exited().await.code(), Some(0), "{what}");
    }
}

/// A file system that meets an error makes itself read-only. Nothing is acknowledged from then on, reading goes on, and
/// everything that was acknowledged is there once the disk is well again.
#[tokio::test]
#[cfg_attr(not(can_mount_images), ignore = "needs root, loop devices and mkfs.ext4")]
async fn a_disk_that_becomes_read_only_acknowledges_nothing() {
    let disks = tempfile::tempdir().expect("a folder");
    let (disk, later) = (disks.path().join("disk"), disks.path().join("later"));
    let model = Model::start().await;
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_new_image(&disk, &home.path());
    let config = model.config("");
    std::fs::write(home.path().join("config.yaml"), &config).expect("the configuration");
    // The disk is to have it when it fails.
    std::fs::File::open(home.path().join("config.yaml")).and_then(|file| file.sync_all()).expect("is on the disk");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let acknowledged: Vec<String> = (0..5).map(|number| format!("before-{number}")).collect();
    for key in &acknowledged {
        client.ok("chat.send", send(key)).await;
    }
    until_idle(&mut client).await;
    let before = history(&mut client, "agent:main:main").await;

    remount(&home.path(), MsFlags::empty(), Some("abort"));
    let note = json!({ "sessionKey": "main", "message": "a note" });
    let mut with_file = send("with-file");
    with_file["attachments"] = json!([{ "name": "a", "mimeType": "a/b", "content": "AAAA".repeat(1_000) }]);
    for (method, params) in [
        ("chat.send", send("refused")),
        ("chat.send", send("refused")),
        ("chat.inject", note),
        ("chat.send", with_file),
    ] {
        let error = client.err(method, params).await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("UNAVAILABLE"), &json!(true)), "{method}: {error}");
        assert!(error["message"].as_str().expect("words").contains("disk cannot be"), "{method}: {error}");
    }
    let error = client.err("config.set", json!({ "path": "runs.idleSeconds", "value": 1 })).await;
    assert!(error["message"].as_str().expect("words").contains("nothing was changed"), "{error}");
    assert_eq!(history(&mut client, "agent:main:main").await, before);
    assert_eq!(client.err("runs.get", json!({ "runId": "refused" })).await["code"], "NOT_FOUND");
    let events = client.ok("diagnostics.list", json!({})).await["events"].clone();
    let said = |event: &Value| event["code"] == "store.commit_failed";
    assert!(events.as_array().expect("events").iter().any(said), "{events}");

    let home = gateway.crash().await;
    umount2(&home.path(), MntFlags::MNT_DETACH).expect("is mounted");
    std::fs::copy(&disk, &later).expect("a copy");
    mount_image(&later, &home.path());
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    check(&mut client, &acknowledged, "refused").await;
    assert_eq!(std::fs::read_to_string(home.path().join("config.yaml")).expect("is there"), config);
    client.ok("chat.send", send("refused")).await;
    drop(gateway);
    umount2(&home.path(), MntFlags::MNT_DETACH).expect("is mounted");
}
