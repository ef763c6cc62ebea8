//! What was approved runs, or nothing does: something is changed between the approval and the start.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// Of one mechanism; every fifth is really started.
const ROUNDS: usize = 1_000;

const GOOD: &str = "#!/bin/sh\necho good\n";
const EVIL: &str = "#!/bin/sh\necho evil\n";

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("writes");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("sets");
}

/// Every way in which a file of that name can become another.
fn swap(how: usize, folder: &Path, file: &Path) {
    let beside = folder.join("evil");
    match how % 7 {
        // In place, of the same length.
        0 => write(file, EVIL),
        1 => {
            write(&beside, EVIL);
            fs::rename(&beside, file).expect("renames");
        }
        2 => {
            write(&beside, EVIL);
            fs::remove_file(file).expect("removes");
            symlink(&beside, file).expect("links");
        }
        3 => {
            let moved = folder.with_extension("moved");
            fs::rename(folder, &moved).expect("renames");
            fs::create_dir(folder).expect("makes");
            write(file, EVIL);
        }
        4 => {
            let (moved, other) = (folder.with_extension("moved"), folder.with_extension("other"));
            fs::rename(folder, &moved).expect("renames");
            fs::create_dir(&other).expect("makes");
            write(&other.join(file.file_name().expect("a name")), EVIL);
            symlink(&other, folder).expect("links");
        }
        5 => fs::remove_file(file).expect("removes"),
        _ => {
            // Larger, so that a part of it is still the same.
            write(file, &format!("{GOOD}echo evil\n"));
        }
    }
}

async fn rounds(mechanism: Mechanism) {
    let place = Place::new();
    let sandbox = place.sandbox(mechanism);
    let (mut ran, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let folder = place.workspace.join(format!("round{round}"));
        fs::create_dir(&folder).expect("makes");
        let file = folder.join("script");
        write(&file, GOOD);
        let name = file.display().to_string();
        // As a program, and as a script of a program.
        let action = match round % 2 {
            0 => command(&folder, &[&name], &[]),
            _ => command(&folder, &["sh", "script"], &[&file]),
        };
        let starts = round % 5 == 0;
        if !starts {
            swap(round / 2, &folder, &file);
            match freeze(&action) {
                Err(_) => refused += 1,
                Ok(frozen) => panic!("{mechanism:?} round {round}: {frozen:?}"),
            }
            continue;
        }
        let Ok(frozen) = freeze(&action) else { panic!("{mechanism:?} round {round}: nothing had changed") };
        swap(round / 2, &folder, &file);
        match start(&sandbox, frozen, place.launch(mechanism), &place.supervisor).await {
            Err(_) => refused += 1,
            Ok(mut running) => {
                let ended = running.ended().await;
                let text = ended.output.text();
                // A folder that is gone may keep it from starting; then nothing was run.
                assert!(!text.contains("evil"), "{mechanism:?} round {round}: {text}");
                match ended.code {
                    Some(0) => {
                        assert_eq!(text, "good\n", "{mechanism:?} round {round}");
                        ran += 1;
                    }
                    _ => refused += 1,
                }
            }
        }
    }
    assert_eq!(ran + refused, ROUNDS);
    assert!(ran > ROUNDS / 10, "{mechanism:?}: only {ran} ran, which proves little");
    eprintln!("{mechanism:?}: of {ROUNDS} rounds {ran} ran what was approved, {refused} were refused, none ran else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_swaps_and_no_wrong_run() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        rounds(mechanism).await;
    }
}

/// Another command in the same workspace waits for the start and puts its own file there; the program opens it later still.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_after_the_start_comes_too_late() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        let file = place.workspace.join("script");
        write(&file, GOOD);
        fs::write(place.workspace.join("beside"), "beside\n").expect("writes");
        let late = r#"read line; sh "$1""#;
        let action = command(&place.workspace, &["sh", "-c", late, "sh", "script"], &[&file]);
        let frozen = freeze(&action).expect("nothing has changed");
        let mut running =
            start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await.expect("starts");
        swap(1, &place.workspace, &file);
        running.write(b"go\n").await.expect("writes");
        running.close_input();
        assert_eq!(running.ended().await.output.text(), "good\n", "{mechanism:?}");
    }
}

/// Nothing is mounted, or made, where a link on the way to the working folder leads.
#[tokio::test(flavor = "multi_thread")]
async fn no_link_on_the_way_to_the_working_folder_leads_out() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let (mechanism, place) = (Mechanism::Bubblewrap, Place::new());
    // What bubblewrap calls the machine, and what it is about to build.
    let targets = [(format!("/oldroot{}", place.outside.display()), "made"), ("/newroot/usr".to_owned(), "bin")];
    for (round, (target, name)) in targets.into_iter().enumerate() {
        let way = place.workspace.join(format!("way{round}"));
        let folder = way.join(name);
        fs::create_dir_all(&folder).expect("makes");
        // Would run instead of `true`, were this folder put over that of the system.
        fs::copy("/usr/bin/echo", folder.join("true")).expect("copies");
        let frozen = freeze(&command(&folder, &["true", "evil"], &[])).expect("nothing has changed");
        fs::rename(&way, way.with_extension("moved")).expect("renames");
        symlink(&target, &way).expect("links");
        let started = start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await;
        if let Ok(mut running) = started {
            let ended = running.ended().await;
            assert!(!ended.output.text().contains("evil"), "{target}: {ended:?}");
        }
    }
    assert_eq!(fs::read_dir(&place.outside).expect("lists").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_script_finds_what_lies_beside_it() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let place = Place::new();
    let folder = place.workspace.join("tools");
    fs::create_dir(&folder).expect("makes");
    fs::write(folder.join("beside"), "beside\n").expect("writes");
    fs::write(place.workspace.join("above"), "above\n").expect("writes");
    let file = folder.join("script");
    write(&file, "cat \"$(dirname \"$0\")/beside\" \"$(dirname \"$0\")/../above\"\n");
    let action = command(&place.workspace, &["sh", "tools/script"], &[&file]);
    let frozen = freeze(&action).expect("nothing has changed");
    let mechanism = Mechanism::Bubblewrap;
    let mut running =
        start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await.expect("starts");
    assert_eq!(running.ended().await.output.text(), "beside\nabove\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_leads_to_does_not_lie_beside_a_frozen_script() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let (mechanism, place) = (Mechanism::Bubblewrap, Place::new());
    let folder = place.workspace.join("tools");
    fs::create_dir(&folder).expect("makes");
    let file = folder.join("script");
    write(&file, "ls -A \"$(dirname \"$0\")\"\n");
    let frozen = freeze(&command(&place.workspace, &["sh", "tools/script"], &[&file])).expect("nothing has changed");
    fs::rename(&folder, folder.with_extension("moved")).expect("renames");
    symlink(&place.outside, &folder).expect("links");
    let mut running =
        start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await.expect("starts");
    assert_eq!(running.ended().await.output.text(), "script\n", "not the names of another folder");
}

#[test]
fn other_files_and_no_files_are_refused_in_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let top = fs::canonicalize(folder.path()).expect("is there");
    let file = top.join("script");
    write(&file, GOOD);
    let action = command(&top, &["sh", "script"], &[&file]);
    assert!(freeze(&action).is_ok());
    nix::unistd::mkfifo(&top.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("makes");
    fs::rename(top.join("pipe"), &file).expect("renames");
    let changed = freeze(&action).expect_err("a pipe is no script");
    assert_eq!(changed.how, "is not a file any more");
}
