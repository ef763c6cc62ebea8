//! The power goes: the disk keeps what was on it at that moment, and nothing that was on its way (P2). The home lies on a
//! file system in a file; a copy of that file is what a disk would hold, since what the system has not written yet is not
//! in it. The copy is mounted in its place, and the next gateway starts there.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use rand::RngExt as _;
use serde_json::json;
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::gateway::Home;
use simpleclaw_tests::{Encoding, Gateway, RawClient};

use super::{assert_whole, history, rounds, text, until_idle};

/// Unless SIMPLECLAW_ROUNDS says otherwise.
const CUTS: usize = 5;
const CLIENTS: usize = 4;
const IMAGE_BYTES: u64 = 48 << 20;
/// Between two messages of a client: so that all runs end in a moment once it is over.
const PAUSE: Duration = Duration::from_millis(50);
/// An answer that has not come by then was not on its way.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

type Acknowledged = Arc<Mutex<Vec<(String, String)>>>;

fn run(program: &str, arguments: &[&Path]) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a file that holds an empty file system, and mounts it, for this thread and the processes that it starts.
pub fn mount_new_image(image: &Path, folder: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).expect("root");
    const NONE: Option<&str> = None;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("a private tree");
    std::fs::File::create(image).and_then(|file| file.set_len(IMAGE_BYTES)).expect("an image");
    run("mkfs.ext4", &[Path::new("-q"), Path::new("-F"), image]);
    mount_image(image, folder);
}

pub fn mount_image(image: &Path, folder: &Path) {
    run("mount", &[Path::new("-o"), Path::new("loop"), image, folder]);
}

/// Sends until the gateway says nothing more; notes what it has acknowledged.
async fn send(mut client: RawClient, session: String, round: usize, acknowledged: Acknowledged) {
    for number in 0.. {
        let key = format!("{session}-{round}-{number}");
        let params = json!({ "sessionKey": session, "message": format!("message {key}"), "idempotencyKey": key });
        let Ok(answer) = tokio::time::timeout(LAST_ANSWERS, client.call("chat.send", params)).await else { return };
        if answer["ok"] == true {
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push((session.clone(), key));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
#[cfg_attr(not(can_mount_images), ignore = "needs root, loop devices and mkfs.ext4")]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let disks = tempfile::tempdir().expect("a folder");
    let disk = |number: usize| -> PathBuf { disks.path().join(format!("disk-{number}")) };
    let cuts = rounds(CUTS);
    let model = Model::start().await;
    let home = Home::new();
    std::fs::create_dir(home.path()).expect("the home folder");
    mount_new_image(&disk(0), &home.path());
    std::fs::write(home.path().join("config.yaml"), model.config("")).expect("the configuration");

    let acknowledged = Acknowledged::default();
    for round in 0..cuts {
        let gateway = Gateway::in_home(&home).await;
        let mut senders = Vec::new();
        for number in 0..CLIENTS {
            let client = gateway.connect(Encoding::Msgpack).await;
            let session = format!("agent:main:power-{number}");
            senders.push(tokio::spawn(send(client, session, round, Arc::clone(&acknowledged))));
        }
        let moment = rand::rng().random_range(100..600);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        // Nobody writes while the disk is copied, or the copy would be of no moment.
        gateway.signal(Signal::SIGSTOP);
        std::fs::copy(disk(round), disk(round + 1)).expect("a copy");
        for sender in senders {
            sender.await.expect("a sender");
        }
        let home = gateway.crash().await;
        umount2(&home.path(), MntFlags::MNT_DETACH).expect("is mounted");
        std::fs::remove_file(disk(round)).expect("the old disk");
        mount_image(&disk(round + 1), &home.path());
    }

    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    until_idle(&mut client).await;
    let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(acknowledged.len() >= 50, "{}", acknowledged.len());
    for number in 0..CLIENTS {
        let session = format!("agent:main:power-{number}");
        let messages = history(&mut client, &session).await;
        assert_whole(&session, &messages);
        let asked: Vec<String> = messages.iter().filter(|message| message["role"] == "user").map(text).collect();
        for (_, key) in acknowledged.iter().filter(|(of, _)| *of == session) {
            let found = asked.iter().filter(|text| **text == format!("message {key}")).count();
            assert_eq!(found, 1, "{key} was acknowledged");
        }
    }
    drop(gateway);
    umount2(&home.path(), MntFlags::MNT_DETACH).expect("is mounted");
}
