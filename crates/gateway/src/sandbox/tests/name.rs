//! A program gets the name that it was called by: many do one thing or another by it, and some find by it what is theirs.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

/// For a shell, which has no name but the one that it is called by.
const SAY: &str = "echo \"${0##*/}\"";

/// The absolute path of a link in the workspace.
fn link(place: &Place, target: &str, name: &str) -> String {
    let path = place.workspace.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
    symlink(target, &path).expect("links");
    path.display().to_string()
}

fn write(place: &Place, name: &str, text: &str) {
    let path = place.workspace.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
    fs::write(&path, text).expect("writes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("sets");
}

/// Of the system and found there, of the system by another name, and one that this user can change.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_called_as_its_first_word_says() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        fs::copy("/bin/sh", place.workspace.join("copy")).expect("copies");
        let (many, other) = (link(&place, "/bin/sh", "many"), link(&place, "copy", "other"));
        let (copy, below) = (place.workspace.join("copy").display().to_string(), link(&place, "../copy", "d/below"));
        let cases: [(&str, &str); 5] =
            [("sh", "sh"), (&many, "many"), (&other, "other"), (&copy, "copy"), (&below, "below")];
        for (word, name) in cases {
            let ended = place.run(mechanism, &[word, "-c", SAY]).await;
            assert_eq!(ended.output.text(), format!("{name}\n"), "{mechanism:?} {word}");
        }
    }
}

/// By what stands beside the name, as an environment of Python has its settings beside a link to the machine's.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_finds_what_lies_beside_its_name() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        let word = link(&place, "/bin/sh", "env/bin/shell");
        write(&place, "env/settings", "settings\n");
        let ended = place.run(mechanism, &[&word, "-c", "cat \"${0%/*}/../settings\""]).await;
        assert_eq!(ended.output.text(), "settings\n", "{mechanism:?}");
    }
}

/// A script, which gets a name by the path that is started, and so under bubblewrap alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_finds_what_lies_beside_its_name_and_beside_itself() {
    if !walls().await.contains(&Mechanism::Bubblewrap) {
        return;
    }
    let place = Place::new();
    let word = link(&place, "tools/run", "tool");
    write(&place, "beside", "beside the name\n");
    write(&place, "tools/beside", "beside itself\n");
    let script = r#"echo "${0##*/}"; cat "${0%/*}/beside" "$(dirname "$(readlink -f "$0")")/beside""#;
    write(&place, "tools/run", &format!("#!/bin/sh\n{script}\n"));
    let ended = place.run(Mechanism::Bubblewrap, &[&word]).await;
    assert_eq!(ended.output.text(), "tool\nbeside the name\nbeside itself\n");
}

/// The name is a link of another command's workspace, and what is approved is the program.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_elsewhere_by_now_starts_what_was_approved() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        let word = link(&place, "/bin/sh", "many");
        let frozen = freeze(&command(&place.workspace, &[&word, "-c", SAY], &[])).expect("nothing has changed");
        fs::remove_file(&word).expect("removes");
        write(&place, "many", "#!/bin/sh\necho evil\n");
        let launch = place.launch(mechanism);
        let mut running = start(&place.sandbox(mechanism), frozen, launch, &place.supervisor).await.expect("starts");
        assert_eq!(running.ended().await.output.text(), "many\n", "{mechanism:?}");
    }
}
