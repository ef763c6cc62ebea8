//! What was shown is what ran: the programs write down who they are and what they were given, and that is held against
//! the question that was answered before.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use simpleclaw_gateway::testing::unescaped;
use simpleclaw_tests::fakes::Model;
use simpleclaw_tests::{Encoding, RawClient};

use super::{run, workspace};
use crate::chat::with_model;

/// Programs of the workspace.
const PROGRAMS: [&str; 3] = ["a", "b", "canary"];

/// One command of plain words each, however it looks.
const PLAIN: [&str; 25] = [
    "./a",
    "  ./a   x  y ",
    "./a 'x y' \"x  y\"",
    "./a '' \"\" x",
    "./a x'y z'\"w\"",
    "'./a' x",
    "./\"a\" x",
    "./d/../a x",
    "./link x",
    "./a -x --k=v A=1 %1 @x +x",
    "./a '$(./canary)' '`./canary`' '$HOME ${HOME}'",
    "./a '; ./canary' \"; ./canary\"",
    "./a \"x && ./canary || ./canary & > y\" '| ./canary'",
    "./a '<(./canary)' \"<<E\"",
    "./a '*' '?' '[a-z]' '~' '{x,y}' '#' '!!'",
    "./a \"* ~ {x,y}\" \"# ./canary\"",
    "./a \"it's\" '\"'",
    "./a '\\' '\\n' '\\u{20}' '\\x41' '\\\\'",
    "./a ' x' 'x ' '  '",
    "./a 'x\u{a0}y' 'x\u{3000}y' 'x\u{200b}y' '\u{feff}'",
    "./a 'gpj\u{202e}exe.' '\u{2066}x\u{2069}'",
    "./a p\u{430}ypal.com 'e\u{301}' \u{440}\u{430}\u{443}",
    "./a é 日本 '\u{5d0}\u{5d1}/1'",
    "./a 'x\u{ff1b} ./canary' '\u{37e}'",
    "./a ./canary",
];

/// Scripts: text for a shell, whatever that makes of it.
const SCRIPTS: [&str; 34] = [
    "./a; ./b x",
    "./a x && ./b",
    "./a || ./canary",
    "./a | ./b x",
    "./a & wait",
    "(./a x)",
    "{ ./a x; }",
    "! ./a",
    "./a $(./b x)",
    "./a \"`./b x`\"",
    "./a $((1+1)) ${none:-x} $#",
    "./a $'\\x41' {x,y}",
    "./a ?",
    "./a [ab] '*'",
    "./a x # ./canary",
    "./a x#y",
    "./a x\n./b y\n",
    "./a x\r\n./b y",
    "./a \\\n  x",
    "./a x\\ y \"\\$x\"",
    "./a\tx\t'\ty'",
    "\t./a x",
    "./a\u{a0}x",
    "./a 'x\ny' \"\u{1b}[2K\"",
    "A=1 ./a \"$A\"",
    "A=./b; $A x",
    "f() { ./b \"$@\"; }; f 'x  y' z",
    "for n in 1 2; do ./a $n; done",
    "if ./a; then ./b; else ./canary; fi",
    "alias a=./canary; ./a",
    "exec ./a 'x y'",
    "eval './a' \"x   y\"",
    "./a <<E\n$(./b)\nE\n",
    "./a x >y 2>&1 <d/none; ./b \u{202e}",
];

/// Each program writes, in one go, its own name and its arguments into a file of the folder where it runs.
fn furnish(folder: &Path) {
    for name in PROGRAMS {
        let path = folder.join(name);
        let text = format!("#!/bin/sh\nprintf '%s\u{1f}' '\u{1e}{name}' \"$@\" >> log\n");
        fs::write(&path, text).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    fs::create_dir_all(folder.join("d")).expect("a folder");
    symlink("a", folder.join("link")).expect("a link");
}

/// What ran since it was last asked, in the order of words, since the two sides of a pipe have none.
fn ran(folder: &Path) -> Vec<Vec<String>> {
    let log = folder.join("log");
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    // Every one ends with a sign of its own, and behind the last there is nothing.
    let words = |one: &str| {
        let words = one.strip_suffix('\u{1f}').expect("whole").split('\u{1f}');
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut ran: Vec<_> = text.split('\u{1e}').skip(1).map(words).collect();
    ran.sort();
    ran
}

/// Has the agent call `exec`, says yes to its one question, and gives what that showed.
async fn shown(model: &Model, client: &mut RawClient, id: &str, command: &str, is_unconfined: bool) -> Value {
    // Without walls it asks everywhere; with the network it asks where there are some.
    let want = if is_unconfined { "unconfined" } else { "network" };
    let call = json!({ "command": command, want: true });
    let told = run(model, client, id, Some("allow-once"), &[("exec", call)]).await;
    assert_eq!(told.asked.len(), 1, "{command:?}: {:?}", told.phases);
    told.asked[0]["action"].clone()
}

fn text(shown: &Value) -> String {
    let shown = shown.as_str().expect("text");
    unescaped(shown).unwrap_or_else(|| panic!("{shown} cannot be read back"))
}

/// A command that is shown as a program and its words is that program with those words, and nothing more ran.
#[tokio::test]
async fn a_command_is_run_as_it_was_shown() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let folder = workspace(&gateway).canonicalize().expect("it is there");
    furnish(&folder);
    for (number, command) in PLAIN.iter().enumerate() {
        for is_unconfined in [true, false] {
            let id = format!("r{number}-{is_unconfined}");
            let action = shown(&model, &mut client, &id, command, is_unconfined).await;
            assert_eq!((&action["kind"], &action["script"]), (&json!("exec"), &Value::Null), "{command:?}: {action}");
            let program = PathBuf::from(text(&action["program"]));
            assert_eq!(program.parent(), Some(&*folder), "{command:?}: {action}");
            let mut expected: Vec<_> = action["argv"].as_array().expect("a list").iter().map(text).collect();
            // Each program knows its name better than its first word does.
            expected[0] = program.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            assert_eq!(ran(&folder), [expected], "{command:?}: {action}");
        }
    }
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A program that has many names does what the one says that was shown: here a shell, which says what it is called.
#[tokio::test]
async fn a_program_is_called_as_it_was_shown() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let folder = workspace(&gateway).canonicalize().expect("it is there");
    furnish(&folder);
    symlink("/bin/sh", folder.join("many")).expect("a link");
    symlink("/bin/sh", folder.join("d/other")).expect("a link");
    let whole = folder.join("many").display().to_string();
    for (number, word) in ["sh", "./many", "d/other", &whole].into_iter().enumerate() {
        for is_unconfined in [true, false] {
            let command = format!("{word} -c 'echo \"${{0##*/}}\" > called'");
            let id = format!("r{number}-{is_unconfined}");
            let action = shown(&model, &mut client, &id, &command, is_unconfined).await;
            assert_eq!(action["kind"], "exec", "{action}");
            let first = text(&action["argv"][0]);
            assert_eq!(first, word, "{action}");
            let called = fs::read_to_string(folder.join("called")).expect("it ran");
            let name = Path::new(&first).file_name().and_then(|name| name.to_str()).expect("a name");
            assert_eq!(called.trim_end(), name, "{command:?}: {action}");
            fs::remove_file(folder.join("called")).expect("removed");
        }
    }
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A script is shown whole, with the shell that runs it: the same text given to that shell by hand does the same, in a
/// folder that has the same in it.
#[tokio::test]
async fn a_script_is_run_as_it_was_shown() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let folder = workspace(&gateway).canonicalize().expect("it is there");
    let other = tempfile::tempdir().expect("a folder");
    [folder.as_path(), other.path()].into_iter().for_each(furnish);
    let mut something = 0;
    for (number, command) in SCRIPTS.iter().enumerate() {
        let action = shown(&model, &mut client, &format!("r{number}"), command, true).await;
        assert_eq!((&action["kind"], &action["argv"]), (&json!("script"), &json!([])), "{command:?}: {action}");
        let lines = action["script"].as_str().expect("a script").split('\n');
        let script = lines.map(|line| text(&line.into())).collect::<Vec<_>>().join("\n");
        assert_eq!(script, *command, "{action}");
        let by_hand = Command::new(text(&action["program"]))
            .args(["-c", &script])
            .current_dir(other.path())
            .stdin(Stdio::null())
            .output()
            .expect("the shell starts");
        let expected = ran(other.path());
        assert_eq!(ran(&folder), expected, "{command:?}: {action}, by hand {by_hand:?}");
        something += usize::from(!expected.is_empty());
    }
    // One names a program that is none.
    assert_eq!(something, SCRIPTS.len() - 1, "the scripts start programs");
    assert_eq!(model.faults(), Vec::<String>::new());
}
