//! Classes 8 and 9 of the advisories: a rule covers the words and the file that it names, and nothing else.

use super::super::action::Reach;
use super::super::action::tests::{exec, fetch, file, inside, message, script, write};
use super::super::decide::Mode;
use super::*;

pub fn policy() -> Policy {
    Policy {
        mode: Mode::Ask,
        enforced: true,
        require_sandbox: false,
        tainted: false,
        attended: true,
        workspace: "/ws".into(),
        temp: "/home/eve/.simpleclaw/state/temp/a".into(),
        home: "/home/eve/.simpleclaw".into(),
    }
}

/// A command that wants the network.
pub fn online(words: &[&str], program: &str) -> Action {
    let mut action = exec(words, program);
    action.reach.network = true;
    action
}

fn dig() -> Action {
    online(&["dig", "+short", "a.example"], "/usr/bin/dig")
}

fn rule() -> Rule {
    Rule::exact(&policy(), &dig()).expect("a rule")
}

fn with(change: impl FnOnce(&mut Command)) -> Action {
    let mut action = dig();
    if let What::Exec(command) = &mut action.what {
        change(command);
    }
    action
}

/// Names under which a program that runs anything is known.
#[test]
fn what_can_do_anything_has_no_rule() {
    for name in [
        // Shells.
        "sh",
        "bash",
        "dash",
        "rbash",
        "zsh",
        "zsh-5.9",
        "ksh93",
        "mksh-static",
        "fish",
        "tcsh",
        "csh",
        "ash",
        "nu",
        "pwsh",
        "powershell.exe",
        "cmd.exe",
        "CMD.EXE",
        "busybox",
        "busybox.static",
        "busybox-extras",
        "toybox",
        "toybox-x86_64",
        // Interpreters, with versions and targets.
        "python",
        "python3",
        "python3.12",
        "python3.13t",
        "python3.12-dbg",
        "Python",
        "pypy3.10",
        "ipython3",
        "perl",
        "perl5.36.0",
        "perl5.36-x86_64-linux-gnu",
        "ruby3.1",
        "node",
        "node20",
        "nodejs",
        "deno",
        "bun",
        "php8.2",
        "lua5.4",
        "luajit-2.1.0-beta3",
        "tclsh8.6",
        "Rscript",
        "awk",
        "gawk",
        "mawk",
        "original-awk",
        "sed",
        "java",
        "javaw.exe",
        "guile-3.0",
        "osascript",
        "sqlite3",
        "gdb",
        "ts-node",
        "m4",
        "bc",
        "dc",
        "julia-1.10",
        "escript",
        "wish8.6",
        // Wrappers.
        "env",
        "sudo",
        "su",
        "doas",
        "pkexec",
        "xargs",
        "find",
        "parallel",
        "nice",
        "nohup",
        "timeout",
        "time",
        "flock",
        "setsid",
        "stdbuf",
        "strace",
        "ltrace",
        "unshare",
        "nsenter",
        "chroot",
        "watch",
        "script",
        "ionice",
        "taskset",
        "setarch",
        "linux64",
        "prlimit",
        "runuser",
        "setpriv",
        "systemd-run",
        "dbus-run-session",
        "start-stop-daemon",
        "run-parts",
        "xvfb-run",
        "bwrap",
        "firejail",
        "ld-linux-x86-64.so.2",
        "ld-musl-x86_64.so.1",
        "ld.so",
        "expect",
        "tmux",
        "screen",
        "gtk-launch",
        "xdg-open",
        "open",
        // Many in one, and what hooks or configuration turn into anything.
        "git",
        "git-lfs",
        "git-upload-pack",
        "hg",
        "svn",
        "ssh",
        "scp",
        "sftp",
        "rsync",
        "make",
        "gmake",
        "ninja",
        "cmake",
        "cargo",
        "go",
        "npm",
        "npx",
        "pnpm",
        "yarn",
        "pip3",
        "pip3.12",
        "uv",
        "docker",
        "docker-compose",
        "podman",
        "kubectl",
        "tar",
        "zip",
        "7z-zip",
        "sort",
        "split",
        "vim",
        "vim.basic",
        "nvim",
        "vi",
        "emacs",
        "emacs-nox",
        "less",
        "more",
        "man",
        "ed",
        "nano",
        "curl",
        "wget",
        "yt-dlp",
        "http",
        "xh",
        "nc",
        "nc.openbsd",
        "ncat",
        "socat",
        "openssl",
        "gcc",
        "gcc-12",
        "x86_64-linux-gnu-gcc-12",
        "g++",
        "c++",
        "clang++-18",
        "ld",
        "apt",
        "apt-get",
        "dpkg",
        "rpm",
        "dnf",
        "brew",
        "crontab",
        "at",
        "systemctl",
        "coreutils",
        "uutils",
        "[",
        "tcpdump",
        "rg",
        "fd",
        "ip",
        "ldd",
    ] {
        assert!(programs::class(name).is_some(), "{name}");
        let path = format!("/usr/bin/{name}");
        let action = online(&[name, "x"], &path);
        assert!(matches!(Rule::exact(&policy(), &action), Err(NoRule::Program { .. })), "{name}");
        // Nor is one obeyed that got into the store in some other way.
        let stored = Rule { program: path, argv: vec![name.into(), "x".into()], ..rule() };
        assert!(!stored.covers(&policy(), &action, 0), "{name}");
        assert!(stored.check().is_err(), "{name}");
        // The name that it is called by decides what a multi-call program does.
        assert!(Rule::exact(&policy(), &online(&[name, "x"], "/usr/bin/dig")).is_err(), "{name}");
    }
    for name in ["ls", "cat", "dig", "ping", "host", "date", "uname", "grep", "wc", "head", "df", "ffmpeg", "pdftotext"]
    {
        assert_eq!(programs::class(name), None, "{name}");
        assert!(Rule::exact(&policy(), &online(&[name], &format!("/usr/bin/{name}"))).is_ok(), "{name}");
    }
}

#[test]
fn an_exact_rule_covers_one_command() {
    assert!(rule().covers(&policy(), &dig(), 0));
    for (what, action) in [
        ("another word", with(|command| command.argv[2] = "b.example".into())),
        ("one word more", with(|command| command.argv.push("-f".into()))),
        ("an empty word more", with(|command| command.argv.push(String::new()))),
        ("one word less", with(|command| drop(command.argv.pop()))),
        ("words run together", with(|command| command.argv = vec!["dig".into(), "+short a.example".into()])),
        ("a space behind", with(|command| command.argv[2].push(' '))),
        ("a star", with(|command| command.argv[2] = "*".into())),
        ("another case", with(|command| command.argv[2] = "A.example".into())),
        ("a letter that looks the same", with(|command| command.argv[2] = "\u{430}.example".into())),
        ("another name", with(|command| command.argv[0] = "/usr/bin/dig".into())),
        ("another program of that name", with(|command| command.program = file("/opt/bin/dig"))),
        ("another case of the program", with(|command| command.program = file("/usr/bin/DIG"))),
        ("a path that goes back", with(|command| command.program = file("/usr/bin/../bin/dig"))),
        ("another folder", with(|command| command.cwd = "/ws/d".into())),
        ("the folder above", with(|command| command.cwd = "/".into())),
        ("a variable", with(|command| drop(command.env.insert("A".into(), "1".into())))),
        ("a script file", with(|command| command.files.push(file("/ws/x.py")))),
        ("a script of the same words", script("dig +short a.example")),
        ("another kind", inside(write("/ws/a"))),
    ] {
        assert!(!rule().covers(&policy(), &action, 0), "{what}");
    }
    let mut wide = dig();
    wide.reach.writes.push("/etc".into());
    assert!(!rule().covers(&policy(), &wide, 0), "writes elsewhere");
    let mut out = dig();
    out.reach.sandboxed = false;
    assert!(!rule().covers(&policy(), &out, 0), "leaves the sandbox");
}

#[test]
fn a_rule_without_the_network_gives_none() {
    let offline = Rule { network: false, ..rule() };
    assert!(!offline.covers(&policy(), &dig(), 0));
    // Where nothing isolates, nothing keeps it from the network either.
    let nothing = Policy { enforced: false, ..policy() };
    let mut plain = dig();
    plain.reach = Reach::default();
    assert!(!offline.covers(&nothing, &plain, 0));
    let proposed = Rule::exact(&nothing, &plain).expect("a rule");
    assert!(proposed.network);
    assert!(proposed.covers(&nothing, &plain, 0), "an exact rule holds without isolation");
}

/// `sandbox: off`, or a machine that cannot isolate any more: what was allowed within the sandbox is asked anew.
#[test]
fn a_rule_of_the_sandbox_ends_with_it() {
    let nothing = Policy { enforced: false, ..policy() };
    let mut plain = dig();
    plain.reach = Reach::default();
    for action in [&plain, &dig()] {
        assert!(rule().sandboxed && !rule().covers(&nothing, action, 0), "{action:?}");
        let open = Rule::exact(&nothing, action).expect("a rule");
        assert!(!open.sandboxed && open.covers(&nothing, action, 0), "{action:?}");
        // What may run without walls may run within them.
        assert!(open.covers(&policy(), &dig(), 0), "{action:?}");
    }
    // What is no program has no walls to lose.
    for what in [message("1"), fetch("https://a.example/")] {
        let action = Action { what, reach: Reach::default(), description: None };
        let rule = Rule::exact(&policy(), &action).expect("a rule");
        assert!(rule.sandboxed && rule.covers(&nothing, &action, 0), "{action:?}");
        assert_eq!(rule.shown().sandboxed, None);
    }
}

#[test]
fn in_a_tainted_session_rules_for_the_network_do_not_hold() {
    let tainted = Policy { tainted: true, ..policy() };
    assert!(!rule().covers(&tainted, &dig(), 0));
    let quiet = exec(&["dig", "+short", "a.example"], "/usr/bin/dig");
    assert!(Rule { network: false, ..rule() }.covers(&tainted, &quiet, 0));
    for what in [message("1"), fetch("https://a.example/")] {
        let rule = Rule::exact(&policy(), &inside(what.clone())).expect("a rule");
        assert!(rule.covers(&policy(), &inside(what.clone()), 0));
        assert!(!rule.covers(&tainted, &inside(what), 0));
    }
}

#[test]
fn a_rule_for_the_first_words_takes_no_options() {
    let first = Rule { prefix: true, argv: vec!["dig".into(), "+short".into()], ..rule() };
    let dig = |words: &[&str]| online(&[&["dig", "+short"][..], words].concat(), "/usr/bin/dig");
    for words in [&["a.example"][..], &["a.example", "b.example"], &[""], &[]] {
        assert!(first.covers(&policy(), &dig(words), 0), "{words:?}");
    }
    // Options, shortened ones (CVE-2026-28363), files that hold more words, files of the system.
    for words in [&["-f"][..], &["--compress-prog=x"], &["--comp", "x"], &["a", "-x"], &["@x"], &["+x"], &["/etc/x"]] {
        assert!(!first.covers(&policy(), &dig(words), 0), "{words:?}");
    }
    assert!(!first.covers(&policy(), &online(&["dig", "+shorter"], "/usr/bin/dig"), 0), "words, not letters");
    let nothing = Policy { enforced: false, ..policy() };
    let mut plain = dig(&["a.example"]);
    plain.reach = Reach::default();
    assert!(!first.covers(&nothing, &plain, 0), "where nothing isolates, only an exact rule holds");
}

#[test]
fn a_rule_ends() {
    let rule = Rule { created_at: 100, expires_at: Some(200), ..rule() };
    for (now, holds) in [(99, false), (100, true), (199, true), (200, false), (i64::MAX, false), (0, false)] {
        assert_eq!(rule.covers(&policy(), &dig(), now), holds, "{now}");
    }
}

#[test]
fn a_program_that_the_agent_can_change_has_no_rule() {
    let temporary = ["/tmp/dig", "/var/tmp/x/dig", "/dev/shm/dig", "/run/user/1000/dig"];
    for path in ["/ws/tool", "/ws/bin/dig", "/home/eve/.simpleclaw/state/temp/s/dig"].into_iter().chain(temporary) {
        let action = online(&["dig", "x"], path);
        assert_eq!(Rule::exact(&policy(), &action), Err(NoRule::OwnProgram), "{path}");
    }
    for path in ["/wsx/tool", "/tmpx/tool", "/opt/tool", "/home/eve/.simpleclawx/tool"] {
        assert!(Rule::exact(&policy(), &online(&["tool"], path)).is_ok(), "{path}");
    }
}

#[test]
fn addresses_are_those_of_one_origin() {
    let origin = |url: &str| Rule::exact(&policy(), &inside(fetch(url))).ok().map(|rule| rule.argv[0].clone());
    for (url, expected) in [
        ("https://a.example", Some("https://a.example")),
        ("https://a.example/x?y#z", Some("https://a.example")),
        ("http://a.example:8080/", Some("http://a.example:8080")),
        ("https://[2001:db8::1]/", Some("https://[2001:db8::1]")),
        ("https://a.example.evil.example/", Some("https://a.example.evil.example")),
        ("https://a.example@evil.example/", None),
        ("https://A.example/", None),
        ("HTTPS://a.example/", None),
        ("https://a.example\\@evil.example/", None),
        ("https://a.ex\tample/", None),
        ("https://\u{430}.example/", None),
        ("file:///etc/passwd", None),
        ("ftp://a.example/", None),
        ("/a", None),
        ("", None),
    ] {
        assert_eq!(origin(url).as_deref(), expected, "{url}");
    }
    let one = Rule::exact(&policy(), &inside(fetch("https://a.example/1"))).expect("a rule");
    assert!(one.covers(&policy(), &inside(fetch("https://a.example/2")), 0));
    for url in ["http://a.example/", "https://b.a.example/", "https://a.example:444/", "https://a.example./"] {
        assert!(!one.covers(&policy(), &inside(fetch(url)), 0), "{url}");
    }
}

/// Class 17 in small: nobody is not everybody.
#[test]
fn a_message_has_somebody_to_go_to() {
    let one = Rule::exact(&policy(), &inside(message("1"))).expect("a rule");
    assert!(!one.covers(&policy(), &inside(message("2")), 0));
    assert!(Rule::exact(&policy(), &inside(message(""))).is_err());
}

#[test]
fn rules_that_nobody_may_write() {
    let bad: [fn(&mut Rule); 12] = [
        |rule| rule.argv.clear(),
        |rule| rule.argv.push("a\0".into()),
        |rule| rule.folder = None,
        |rule| rule.folder = Some("ws".into()),
        |rule| rule.folder = Some("/ws/../etc".into()),
        |rule| rule.folder = Some("/ws/".into()),
        |rule| rule.program = "dig".into(),
        |rule| rule.program = "/usr//bin/dig".into(),
        |rule| rule.program = "/usr/bin/../bin/dig".into(),
        |rule| rule.program = "*".into(),
        |rule| rule.program = String::new(),
        |rule| (rule.prefix, rule.argv) = (true, vec!["dig".into()]),
    ];
    assert!(rule().check().is_ok());
    for (place, change) in bad.into_iter().enumerate() {
        let mut rule = rule();
        change(&mut rule);
        assert!(rule.check().is_err(), "{place}: {rule:?}");
    }
    let pages = Rule::exact(&policy(), &inside(fetch("https://a.example/"))).expect("a rule");
    assert!(pages.check().is_ok());
    assert!(Rule { prefix: true, ..pages.clone() }.check().is_err());
    assert!(Rule { folder: Some("/ws".into()), ..pages }.check().is_err());
}

#[test]
fn a_rule_in_words() {
    let rule = Rule { id: "r".into(), agent_id: "main".into(), expires_at: Some(1_795_352_517_040), ..rule() };
    assert_eq!(
        rule.words(),
        "main may run /usr/bin/dig: dig +short a.example, exactly, in /ws, with the network, \
         until 2026-11-22T13:01:57.040Z."
    );
    let first =
        Rule { prefix: true, network: false, expires_at: None, argv: vec!["dig".into(), "a b\u{202e}".into()], ..rule };
    assert_eq!(
        first.words(),
        "main may run /usr/bin/dig: dig \"a b\\u{202e}\", followed by any words that are no options and no absolute \
         paths, in /ws, without the network, until you revoke it."
    );
    let open = Rule { sandboxed: false, ..first.clone() };
    assert!(open.words().contains("in /ws, without the network, outside of any sandbox, until"), "{}", open.words());
    assert_eq!((first.shown().sandboxed, open.shown().sandboxed), (Some(true), Some(false)));
    let pages = Rule::exact(&policy(), &inside(fetch("https://a.example/x"))).expect("a rule");
    assert_eq!(pages.words(), "The agent may fetch any page of https://a.example, until you revoke it.");
    let message = Rule::exact(&policy(), &inside(message("42"))).expect("a rule");
    assert_eq!(message.words(), "The agent may send any message to 42 on telegram (default), until you revoke it.");
    let shown = first.shown();
    assert_eq!((shown.argv, shown.words), (first.argv.clone(), first.words()));
}
