//! The folder for temporary files: it holds between the commands of a session, and is nobody else's.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::approval::command::{resolve, system_path};

/// Runs to the end in the session whose folder this is.
async fn in_session(place: &Place, mechanism: Mechanism, temp: &Path, argv: &[&str]) -> String {
    let confined = Some(Confinement { temp: temp.to_owned(), ..place.confinement() });
    let launch = Launch { confined, ..place.launch(mechanism) };
    let mut running = place.launched(mechanism, launch, argv).await;
    running.close_input();
    let ended = running.ended().await;
    let text = ended.output.text();
    assert_eq!((ended.reason, ended.code), (Reason::Exited, Some(0)), "{mechanism:?} {argv:?}: {text}");
    text
}

fn folder(place: &Place, name: &str) -> PathBuf {
    let path = place.temp.with_file_name(name);
    fs::create_dir(&path).expect("makes");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_command_leaves_the_next_of_its_session_finds() {
    for mechanism in walls().await {
        for place in Place::both() {
            let (temp, other) = (place.temp.clone(), folder(&place, "other"));
            let write = r#"echo kept > "$TMPDIR/file" && echo settings > "$HOME/.rc""#;
            in_session(&place, mechanism, &temp, &["sh", "-c", write]).await;
            let read = r#"cat "$TMPDIR/file" "$HOME/.rc""#;
            assert_eq!(in_session(&place, mechanism, &temp, &["sh", "-c", read]).await, "kept\nsettings\n");
            assert_eq!(fs::read_to_string(temp.join("file")).expect("it is on the disk"), "kept\n");

            let path = temp.display().to_string();
            let nothing = r#"test -w "$TMPDIR" && ! ls -A "$TMPDIR" | grep . && ! cat "$1/file" 2>/dev/null &&
                ! (: > "$1/new") 2>/dev/null || exit 1"#;
            in_session(&place, mechanism, &other, &["sh", "-c", nothing, "sh", &path]).await;
            assert!(!temp.join("new").exists() && fs::read_dir(&other).expect("lists").count() == 0, "{mechanism:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_bubblewrap_it_is_tmp() {
    for mechanism in walls().await {
        let place = Place::beside_tmp();
        let confined = place.confinement();
        let tmp = place.sandbox(mechanism).tmp(&confined).map(Path::to_owned);
        assert_eq!(tmp, (mechanism == Mechanism::Bubblewrap).then(|| place.temp.clone()));
        if tmp.is_none() {
            continue;
        }
        // Stands for a socket of somebody's display, say.
        let theirs = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
        let run = async |script: &str| {
            let path = theirs.path().display().to_string();
            in_session(&place, mechanism, &place.temp, &["sh", "-c", script, "sh", &path]).await
        };
        assert_eq!(run(r#"echo kept > /tmp/file; echo "$TMPDIR $HOME""#).await, "/tmp /tmp\n");
        assert_eq!(run("cat /tmp/file && cd /tmp && pwd").await, "kept\n/tmp\n");
        assert_eq!(run("ls -A /tmp").await, "file\n", "nothing of the machine's own");
        run(r#"! test -e "$1""#).await;
        run(r#"grep -Eq '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ /tmp [^ ]*nosuid,nodev' /proc/self/mountinfo"#).await;
        run("! (: > /run/simpleclaw/x) 2>/dev/null && ! (: > /var/tmp/x) 2>/dev/null").await;
        run("! mv /tmp /moved 2>/dev/null && ! rmdir /tmp 2>/dev/null").await;
    }
}

/// A folder that a command gets below `/tmp` is there, and what a former command left does not decide on where.
#[tokio::test(flavor = "multi_thread")]
async fn no_place_is_made_within_it() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let mechanism = Mechanism::Bubblewrap;
    let granted = tempfile::tempdir_in("/tmp").expect("a folder");
    let place = Place::beside_tmp();
    // Where a place for the grant would be made, if that followed this link: beside the workspace, in the open.
    symlink(&place.outside, place.temp.join(granted.path().file_name().expect("a name"))).expect("links");
    let below = granted.path().join("sub");
    fs::create_dir(&below).expect("makes");
    let confined = Confinement { writes: vec![below.clone()], ..place.confinement() };
    assert_eq!(place.sandbox(mechanism).tmp(&confined), None);
    let launch = Launch { confined: Some(confined), ..place.launch(mechanism) };
    let path = below.display().to_string();
    let script = r#"echo x > "$1/file" && echo y > /tmp/gone && echo z > "$TMPDIR/kept""#;
    let ended = place.launched(mechanism, launch, &["sh", "-c", script, "sh", &path]).await.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output.text());
    assert!(below.join("file").exists() && place.temp.join("kept").exists() && !place.temp.join("gone").exists());
    assert_eq!(fs::read_dir(&place.outside).expect("lists").count(), 1);
}

/// What a command names there is what is approved, frozen and run.
#[tokio::test(flavor = "multi_thread")]
async fn what_lies_there_is_frozen_as_what_lies_elsewhere() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let (mechanism, place) = (Mechanism::Bubblewrap, Place::beside_tmp());
    let write = |name: &str, text: &str| {
        let path = place.temp.join(name);
        fs::write(&path, text).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("sets");
        path
    };
    symlink("/tmp/script", place.workspace.join("link")).expect("links");
    for argv in [&["sh", "/tmp/script"][..], &["sh", "link"], &["sh", "-x", "/var/../tmp/./script"], &["/tmp/script"]] {
        let file = write("script", "#!/bin/sh\necho good\n");
        let argv: Vec<String> = argv.iter().map(|arg| (*arg).to_owned()).collect();
        let tmp = Some(place.temp.as_path());
        let found = resolve(&argv, &place.workspace, &system_path(), tmp).expect("resolves");
        let named = [&found.program].into_iter().chain(&found.files).any(|id| id.path == file);
        assert!(named, "{argv:?}: {found:?}");
        let action = Action { what: What::Exec(found), reach: Reach::default(), description: None };
        let frozen = freeze(&action).expect("nothing has changed");
        write("script", "#!/bin/sh\necho evil\n");
        let mut running =
            start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await.expect("starts");
        let text = running.ended().await.output.text();
        assert!(text.ends_with("good\n") && !text.contains("evil"), "{argv:?}: {text}");
        assert!(freeze(&action).is_err(), "{argv:?}: it is another one now");
    }
}
