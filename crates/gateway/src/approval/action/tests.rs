//! Classes 10, 12 and 13 of the advisories: all that is frozen is in the digest, all that runs is shown.

use std::collections::BTreeSet;

use super::*;

pub fn file(path: &str) -> FileId {
    FileId { path: path.into(), device: 1, inode: 2, size: 3, sha256: "ab".repeat(32) }
}

pub fn exec(words: &[&str], program: &str) -> Action {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    let (program, cwd) = (file(program), "/ws".into());
    inside(What::Exec(Command { argv, program, files: Vec::new(), cwd, env: BTreeMap::new(), tmp: None }))
}

pub fn script(text: &str) -> Action {
    let shell = file("/usr/bin/dash");
    inside(What::Script(Script { text: text.to_owned(), shell, cwd: "/ws".into(), env: BTreeMap::new() }))
}

pub fn inside(what: What) -> Action {
    Action { what, reach: Reach { sandboxed: true, network: false, writes: Vec::new() }, description: None }
}

pub fn message(to: &str) -> What {
    let [channel, account, text] = ["telegram", "default", "hi"].map(str::to_owned);
    What::Message(Message { channel, account, to: to.to_owned(), text, files: Vec::new() })
}

pub fn fetch(url: &str) -> What {
    What::Fetch(Fetch { url: url.to_owned(), addresses: vec![IpAddr::from([192, 0, 2, 1])] })
}

pub fn write(path: &str) -> What {
    What::Write(Change::new(path.into(), Some(b"a\n"), b"b\n".to_vec()))
}

/// Changes one part of a command.
fn changed(change: impl FnOnce(&mut Command)) -> Action {
    let mut action = exec(&["rg", "a", "b"], "/usr/bin/rg");
    if let What::Exec(command) = &mut action.what {
        change(command);
    }
    action
}

fn reached(change: impl FnOnce(&mut Reach)) -> Action {
    let mut action = changed(|_| ());
    change(&mut action.reach);
    action
}

#[test]
fn everything_frozen_is_in_the_digest() {
    let in_env = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    let call = |node: &str, command: &str| NodeCall { node: node.into(), command: command.into(), params: "{}".into() };
    let all = [
        changed(|_| ()),
        // Words are not run together, nor trimmed (CVE-2026-32065).
        changed(|command| command.argv = ["rg", "ab", ""].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "", "ab"].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a b"].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a", "b "].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a", " b"].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a", "b", ""].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a", "\u{fb03}"].map(str::to_owned).to_vec()),
        changed(|command| command.argv = ["rg", "a", "ffi"].map(str::to_owned).to_vec()),
        changed(|command| command.program.path = "/usr/bin/RG".into()),
        changed(|command| command.program.device = 9),
        changed(|command| command.program.inode = 9),
        changed(|command| command.program.size = 9),
        changed(|command| command.program.sha256 = "cd".repeat(32)),
        changed(|command| command.files.push(file("/ws/x.py"))),
        changed(|command| command.files.push(FileId { sha256: "cd".repeat(32), ..file("/ws/x.py") })),
        changed(|command| command.files = vec![file("/ws/x.py"), file("/ws/y.py")]),
        changed(|command| command.files = vec![file("/ws/y.py"), file("/ws/x.py")]),
        changed(|command| command.cwd = "/ws/d".into()),
        changed(|command| command.env = in_env("A", "BC")),
        changed(|command| command.env = in_env("AB", "C")),
        changed(|command| command.env = in_env("A", "")),
        changed(|command| command.tmp = Some("/state/temp/a".into())),
        changed(|command| command.tmp = Some("/state/temp/b".into())),
        reached(|reach| reach.sandboxed = false),
        reached(|reach| reach.network = true),
        reached(|reach| reach.writes.push("/etc".into())),
        reached(|reach| reach.writes.extend(["/etc", "/opt"].map(PathBuf::from))),
        script("rg a b"),
        script("rg a b "),
        inside(What::Read("/ws/a".into())),
        inside(What::Read("/ws/b".into())),
        // A file that is to be read is not all that is below a folder of that name.
        inside(What::List("/ws/a".into())),
        inside(What::Search("/ws/a".into())),
        inside(write("/ws/a")),
        inside(write("/ws/b")),
        inside(What::Write(Change::new("/ws/a".into(), None, b"b\n".to_vec()))),
        inside(What::Write(Change::new("/ws/a".into(), Some(b"a\n"), b"c\n".to_vec()))),
        inside(fetch("https://a.example/")),
        inside(fetch("https://a.example/b")),
        inside(What::Fetch(Fetch { url: "https://a.example/".into(), addresses: Vec::new() })),
        inside(message("1")),
        inside(message("2")),
        inside(What::Cron("daily: x".into())),
        inside(What::Cron("hourly: x".into())),
        inside(What::Node(call("phone", "camera"))),
        inside(What::Node(call("phonec", "amera"))),
        inside(What::External(External { source: "phone".into(), tool: "camera".into(), args: "{}".into() })),
    ];
    let digests: BTreeSet<_> = all.iter().map(Action::digest).collect();
    assert_eq!(digests.len(), all.len(), "two of them have the same digest");
    assert!(digests.iter().all(|digest| digest.len() == 64));
    let described = Action { description: Some("harmless".into()), ..changed(|_| ()) };
    assert_eq!(described.digest(), changed(|_| ()).digest(), "what the agent says is not what runs");
    // Kept in the records of approvals, so it does not change from one version to the next by accident.
    let kept = "14f187be8f9bfc99f1aa09d1207dbd4d28c62eb8f8641824627ac991ef518274";
    assert_eq!(changed(|_| ()).digest(), kept);
}

#[test]
fn all_that_runs_is_shown() {
    let mut action = exec(&["node", "--require=./a.js", "p\u{430}y", "a\nb "], "/usr/bin/node");
    if let What::Exec(command) = &mut action.what {
        command.files.push(file("/ws/a.js"));
        command.env.insert("NODE_OPTIONS".into(), "--inspect\u{202e}".into());
    }
    action.reach = Reach { sandboxed: false, network: true, writes: vec!["/etc/x \n".into()] };
    action.description = Some("only\u{200b} reads".into());
    let shown = ApprovalAction {
        kind: ActionKind::Exec,
        argv: ["node", "--require=./a.js", "p\\u{430}y", "a\\nb\\u{20}"].map(str::to_owned).to_vec(),
        program: Some("/usr/bin/node".into()),
        script: None,
        cwd: Some("/ws".into()),
        env_names: vec!["NODE_OPTIONS=--inspect\\u{202e}".into()],
        path: Some(format!("/ws/a.js (SHA-256 {})\nwrites /etc/x \\n", "ab".repeat(32))),
        diff: None,
        url: None,
        sandbox: "none".into(),
        network: true,
        description: Some("only\\u{200b} reads".into()),
    };
    assert_eq!(action.shown(), shown);
    let shown = script("if x; then\n  y \u{202e}\nfi").shown();
    assert_eq!((shown.kind, shown.script.as_deref()), (ActionKind::Script, Some("if x; then\n  y \\u{202e}\nfi")));
    for (what, kind) in [
        (What::Read("/x".into()), ActionKind::Read),
        (What::List("/x".into()), ActionKind::List),
        (What::Search("/x".into()), ActionKind::Search),
    ] {
        let shown = inside(what).shown();
        assert_eq!((shown.kind, shown.path.as_deref()), (kind, Some("/x")));
    }
    let shown = inside(write("/ws/a")).shown();
    assert_eq!(shown.diff.as_deref(), Some("@@ -1 +1 @@\n-a\n+b\n"));
    let shown = inside(message("1\u{200b}")).shown();
    assert_eq!(
        (shown.argv, shown.script.as_deref()),
        (vec!["telegram".into(), "default".into(), "1\\u{200b}".into()], Some("hi"))
    );
    let binary = Change::new("/ws/a".into(), Some(b"a"), vec![0xff]);
    assert_eq!(binary.diff, format!("no text: 1 bytes become 1 bytes, SHA-256 {}", hex(&Sha256::digest([0xff]))));
    assert_eq!(binary.before, Some(hex(&Sha256::digest(b"a"))));
}

/// A program that becomes a script: every line of it is there to be seen.
#[test]
fn what_takes_the_place_of_a_binary_file_is_shown() {
    let was: &[u8] = b"\x7fELF\xff\0";
    let change = |content: &str| Change::new("/home/eve/bin/tool".into(), Some(was), content.into());
    let diff = change("#!/bin/sh\nevil\n").diff;
    let note = format!("what is there now is no text: 6 bytes, SHA-256 {}\n", hex(&Sha256::digest(was)));
    assert_eq!(diff, format!("{note}@@ -0,0 +1,2 @@\n+#!/bin/sh\n+evil\n"));
    assert_eq!(change("").diff, note);
    let long = inside(What::Write(change(&"a\n".repeat(MAX_DIFF_BYTES))));
    assert!(!long.fits_a_question());
}

/// Nothing is cut (CVE-2026-53829, CVE-2026-26320): what does not fit makes no question.
#[test]
fn a_question_is_whole() {
    let fits = |text: String| script(&text).fits_a_question();
    assert!(fits("a".repeat(8_000)));
    assert!(!fits("a".repeat(8_192)));
    assert!(!fits("\u{202e}".repeat(1_100)), "measured as it is shown");
    let long = changed(|command| command.argv = vec!["x".repeat(5_000), "y".repeat(5_000)]);
    assert!(!long.fits_a_question());
    let long = changed(|command| drop(command.env.insert("A".into(), "x".repeat(9_000))));
    assert!(!long.fits_a_question());
    let long = |bytes: usize| inside(What::Write(Change::new("/x".into(), None, vec![b'a'; bytes])));
    assert!(long(100_000).fits_a_question());
    assert!(!long(MAX_DIFF_BYTES).fits_a_question());
}

#[test]
fn only_harmless_variables_are_added() {
    let check = |name: &str, value: &str| environment(BTreeMap::from([(name.to_owned(), value.to_owned())]));
    for name in ["CI", "_x1", "NODE_OPTIONS", "GIT_SSH_COMMAND", "a"] {
        assert!(check(name, "1\n").is_ok(), "{name}");
    }
    for name in ["", "1A", "A B", "A=B", "A\0", "BASH_FUNC_x%%", "É", "A-B", &"A".repeat(129)] {
        assert!(matches!(check(name, ""), Err(BadVariable::Name(_))), "{name:?}");
    }
    for name in ["PATH", "Path", "HOME", "LC_ALL", "lc_x", "TMPDIR", "SHELL", "SIMPLECLAW_HOME", "USER", "SystemRoot"] {
        assert!(matches!(check(name, ""), Err(BadVariable::Fixed(_))), "{name}");
    }
    for name in [
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "LD_BIND_NOW",
        "DYLD_INSERT_LIBRARIES",
        "DYLD_FRAMEWORK_PATH",
        "GCONV_PATH",
        "GLIBC_TUNABLES",
        "LOCPATH",
        "NLSPATH",
        "HOSTALIASES",
        "RES_OPTIONS",
        "MALLOC_CHECK_",
        "TZDIR",
    ] {
        assert!(matches!(check(name, ""), Err(BadVariable::Loader(_))), "{name}");
    }
    assert!(matches!(check("A", "a\0"), Err(BadVariable::Value(_))));
    assert!(matches!(check("A", &"a".repeat(4097)), Err(BadVariable::Value(_))));
}
