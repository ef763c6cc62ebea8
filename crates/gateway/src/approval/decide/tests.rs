//! The table of decisions, and class 14 of the advisories: nothing gets at the gateway's own files.

use super::super::action::tests::{exec, fetch, file, inside, message, script, write};
use super::super::action::{Change, External, NodeCall, Reach};
use super::super::rule::tests::{online, policy};
use super::*;

/// Short names of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Inside,
    Ruled,
    Full,
    /// Asked, with a rule proposed.
    Asks,
    /// Asked, for this once only.
    AsksOnce,
    Forbidden,
}

fn is(verdict: &Verdict) -> Is {
    match verdict {
        Verdict::Allow(Because::Inside) => Is::Inside,
        Verdict::Allow(Because::Session | Because::Saved(_)) => Is::Ruled,
        Verdict::Allow(Because::Full) => Is::Full,
        Verdict::Ask(question) => {
            use ApprovalDecision::{AllowAlways, AllowOnce, AllowSession, Deny};
            let (decisions, answer) = match &question.proposed {
                Some(_) => (vec![AllowOnce, AllowSession, AllowAlways, Deny], Is::Asks),
                None => (vec![AllowOnce, Deny], Is::AsksOnce),
            };
            assert_eq!(question.decisions, decisions);
            assert!(question.why.ends_with('.'), "{}", question.why);
            answer
        }
        Verdict::Forbid(words) => {
            assert!(!words.is_empty());
            Is::Forbidden
        }
    }
}

fn none() -> Grants {
    Grants { now: 5, ..Grants::default() }
}

/// A rule for each of the actions that there can be one for.
fn ruled(action: &Action) -> Grants {
    let saved = Rule::exact(&policy(), action).map(|rule| Rule { id: "r".into(), ..rule });
    Grants { saved: saved.into_iter().collect(), ..none() }
}

fn writing(action: Action, path: &str) -> Action {
    let reach = Reach { writes: vec![path.into()], ..action.reach.clone() };
    Action { reach, ..action }
}

fn unboxed(action: Action) -> Action {
    Action { reach: Reach::default(), ..action }
}

/// A shell that is given a file, as something to run or only to show.
fn naming(path: &str) -> Action {
    let mut action = exec(&["sh", "-v", path], "/usr/bin/dash");
    if let What::Exec(command) = &mut action.what {
        command.files.push(file(path));
    }
    action
}

fn dig() -> Action {
    online(&["dig", "a.example"], "/usr/bin/dig")
}

/// Every kind of action, in every mode.
#[test]
fn the_table() {
    use Is::{Asks, AsksOnce, Forbidden as No, Full, Inside, Ruled};
    let python = || exec(&["python3", "-c", "1"], "/usr/bin/python3.12");
    let ls = || exec(&["ls"], "/usr/bin/ls");
    let node = || inside(What::Node(NodeCall { node: "a".into(), command: "b".into(), params: "{}".into() }));
    let tool = || inside(What::External(External { source: "a".into(), tool: "b".into(), args: "{}".into() }));
    // deny, ask, allowlist, full; then ask and allowlist with a rule that was made for it where there can be one.
    for (name, action, expected) in [
        ("a command inside", ls(), [No, Inside, No, Full, Inside, Ruled]),
        ("an interpreter inside", python(), [No, Inside, No, Full, Inside, No]),
        ("a script inside", script("a | b"), [No, Inside, No, Full, Inside, No]),
        ("a program of a person", exec(&["x"], "/home/eve/bin/x"), [No, Asks, No, Full, Ruled, Ruled]),
        ("a file that it would not see", naming("/home/eve/key"), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("a script of the workspace", naming("/ws/a.sh"), [No, Inside, No, Full, Inside, No]),
        ("a temporary script", naming("/home/eve/.simpleclaw/state/temp/a/x"), [No, Inside, No, Full, Inside, No]),
        ("a script beside what is granted", writing(naming("/opt2/x"), "/opt"), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("with network", dig(), [No, Asks, No, Full, Ruled, Ruled]),
        ("an interpreter with network", online(&["sh"], "/usr/bin/dash"), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("writes elsewhere", writing(ls(), "/opt"), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("outside the sandbox", unboxed(ls()), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("a script outside", unboxed(script("a")), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("reads inside", inside(What::Read("/ws/a".into())), [Inside, Inside, Inside, Full, Inside, Inside]),
        ("reads elsewhere", inside(What::Read("/etc/hosts".into())), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("lists inside", inside(What::List("/ws".into())), [Inside, Inside, Inside, Full, Inside, Inside]),
        ("lists elsewhere", inside(What::List("/home/eve".into())), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("searches inside", inside(What::Search("/ws".into())), [Inside, Inside, Inside, Full, Inside, Inside]),
        ("searches elsewhere", inside(What::Search("/home/eve".into())), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("reads beside", inside(What::Read("/wsx/a".into())), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("writes inside", inside(write("/ws/d/a")), [Inside, Inside, Inside, Full, Inside, Inside]),
        ("writes beside", inside(write("/wsx")), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("fetches", inside(fetch("https://a.example/x")), [No, Asks, No, Full, Ruled, Ruled]),
        ("fetches doubtfully", inside(fetch("https://a@b.example/")), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("sends", inside(message("1")), [No, Asks, No, Full, Ruled, Ruled]),
        ("sends to nobody", inside(message("")), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("makes a job", inside(What::Cron("x".into())), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("calls a device", node(), [No, AsksOnce, No, Full, AsksOnce, No]),
        ("calls a plugin", tool(), [No, AsksOnce, No, Full, AsksOnce, No]),
    ] {
        let rule = ruled(&action);
        let in_mode = |mode, grants: &Grants| is(&decide(&Policy { mode, ..policy() }, grants, &action));
        let found = [
            in_mode(Mode::Deny, &none()),
            in_mode(Mode::Ask, &none()),
            in_mode(Mode::Allowlist, &none()),
            in_mode(Mode::Full, &none()),
            in_mode(Mode::Ask, &rule),
            in_mode(Mode::Allowlist, &rule),
        ];
        assert_eq!(found, expected, "{name}");
        assert_eq!(in_mode(Mode::Deny, &rule), expected[0], "{name}: a rule opens nothing in mode deny");
        // Unattended: the same, but for the questions, which are refused at once.
        let refused = expected.map(|answer| if matches!(answer, Asks | AsksOnce) { No } else { answer });
        let alone = |mode, grants: &Grants| is(&decide(&Policy { mode, attended: false, ..policy() }, grants, &action));
        assert_eq!(alone(Mode::Ask, &none()), refused[1], "{name}, unattended");
        assert_eq!(alone(Mode::Ask, &rule), refused[4], "{name}, unattended, with a rule");
    }
}

#[test]
fn where_nothing_isolates_everything_but_an_exact_rule_asks() {
    let nothing = Policy { enforced: false, ..policy() };
    let exact = Rule::exact(&nothing, &dig()).expect("a rule");
    let saved = |rule: Rule| Grants { saved: vec![rule], ..none() };
    let of_the_sandbox = Rule::exact(&policy(), &dig()).expect("a rule");
    for (action, grants, expected) in [
        (exec(&["ls"], "/usr/bin/ls"), none(), Is::Asks),
        // What the tool says of a sandbox that is not there does not count.
        (dig(), none(), Is::Asks),
        (script("ls"), none(), Is::AsksOnce),
        (dig(), saved(exact.clone()), Is::Ruled),
        (dig(), saved(Rule { prefix: true, ..exact.clone() }), Is::Asks),
        (dig(), saved(Rule { network: false, ..exact }), Is::Asks),
        (dig(), saved(of_the_sandbox), Is::Asks),
        (inside(What::Read("/ws/a".into())), none(), Is::Inside),
    ] {
        let verdict = decide(&nothing, &grants, &action);
        assert_eq!(is(&verdict), expected, "{action:?}");
        if let Verdict::Ask(question) = verdict {
            assert!(question.why.contains("isolates"), "{}", question.why);
        }
    }
}

#[test]
fn a_required_sandbox_is_required_in_every_mode() {
    for mode in [Mode::Deny, Mode::Ask, Mode::Allowlist, Mode::Full] {
        let required = Policy { require_sandbox: true, mode, ..policy() };
        let missing = Policy { enforced: false, ..required.clone() };
        for action in [exec(&["ls"], "/usr/bin/ls"), script("ls"), dig()] {
            assert_eq!(is(&decide(&required, &none(), &unboxed(action.clone()))), Is::Forbidden);
            assert_eq!(is(&decide(&missing, &ruled(&action), &action)), Is::Forbidden);
        }
    }
    let required = Policy { require_sandbox: true, ..policy() };
    assert_eq!(is(&decide(&required, &none(), &exec(&["ls"], "/usr/bin/ls"))), Is::Inside);
    assert_eq!(is(&decide(&required, &none(), &dig())), Is::Asks);
    assert_eq!(is(&decide(&required, &none(), &inside(fetch("https://a.example/")))), Is::Asks);
}

#[test]
fn a_tainted_session_asks_for_what_leaves_it() {
    let tainted = Policy { tainted: true, ..policy() };
    for action in [dig(), inside(fetch("https://a.example/")), inside(message("1"))] {
        let saved = ruled(&action);
        let session = Grants { session: saved.saved.clone(), saved: Vec::new(), now: saved.now };
        for grants in [&saved, &session] {
            assert_eq!(is(&decide(&policy(), grants, &action)), Is::Ruled);
            let verdict = decide(&tainted, grants, &action);
            assert_eq!(is(&verdict), Is::AsksOnce, "{action:?}");
            let Verdict::Ask(question) = verdict else { panic!("asks") };
            assert!(question.why.contains("from outside"), "{}", question.why);
            assert_eq!(
                is(&decide(&Policy { mode: Mode::Allowlist, ..tainted.clone() }, grants, &action)),
                Is::Forbidden
            );
        }
    }
    assert_eq!(is(&decide(&tainted, &none(), &exec(&["ls"], "/usr/bin/ls"))), Is::Inside);
}

#[test]
fn which_rule_it_was_is_said() {
    let rule = Rule::exact(&policy(), &dig()).expect("a rule");
    let other = Rule { id: "other".into(), argv: vec!["dig".into()], ..rule.clone() };
    let saved = vec![other.clone(), Rule { id: "mine".into(), ..rule.clone() }];
    let grants = Grants { session: vec![other.clone()], saved: saved.clone(), now: 5 };
    assert_eq!(decide(&policy(), &grants, &dig()), Verdict::Allow(Because::Saved("mine".into())));
    let grants = Grants { session: vec![rule], saved, now: 5 };
    assert_eq!(decide(&policy(), &grants, &dig()), Verdict::Allow(Because::Session));
}

/// CVE-2026-41349, CVE-2026-25593 and their kin: in no mode, by no rule.
#[test]
fn nothing_reaches_the_gateways_own_folder() {
    let home = "/home/eve/.simpleclaw";
    let own = Policy { workspace: format!("{home}/agents/main/workspace").into(), ..policy() };
    // The workspace of a careless configuration: all of the person's folder.
    let wide = Policy { workspace: "/home/eve".into(), ..policy() };
    let whole = Policy { workspace: home.into(), ..policy() };
    for mode in [Mode::Deny, Mode::Ask, Mode::Allowlist, Mode::Full] {
        for policy in [&own, &wide, &whole] {
            let policy = Policy { mode, ..policy.clone() };
            for name in [
                "config.yaml",
                "config.history/1.yaml",
                "secrets.yaml",
                "token",
                "gateway.lock",
                "state/gateway.db",
                "plugins/x/plugin.yaml",
                "logs/gateway.log",
                "agents/other/workspace/a",
                "agents/main/workspacex",
                "state/temp/b/x",
                "new",
            ] {
                let path = format!("{home}/{name}");
                let removed = Change::new(path.clone().into(), Some(b"a"), Vec::new());
                let mut inside_it = exec(&["ls"], "/usr/bin/ls");
                if let What::Exec(command) = &mut inside_it.what {
                    command.cwd = path.clone().into();
                }
                for action in [
                    inside(What::Read(path.clone().into())),
                    inside(What::List(path.clone().into())),
                    inside(What::Search(path.clone().into())),
                    inside(write(&path)),
                    inside(What::Write(removed)),
                    writing(exec(&["ls"], "/usr/bin/ls"), &path),
                    writing(script("ls"), &path),
                    exec(&["x"], &path),
                    naming(&path),
                    unboxed(naming(&path)),
                    inside_it,
                ] {
                    assert_eq!(is(&decide(&policy, &none(), &action)), Is::Forbidden, "{action:?}");
                }
            }
            for above in ["/", "/home", "/home/eve", home] {
                let action = writing(exec(&["ls"], "/usr/bin/ls"), above);
                assert_eq!(is(&decide(&policy, &none(), &action)), Is::Forbidden, "{above}");
            }
        }
    }
    assert_eq!(is(&decide(&own, &none(), &inside(write(&format!("{home}/agents/main/workspace/a"))))), Is::Inside);
    assert_eq!(is(&decide(&wide, &none(), &inside(write("/home/eve/a")))), Is::Inside);
    assert_eq!(is(&decide(&own, &none(), &inside(What::Read("/home/eve/.simpleclawx/a".into())))), Is::AsksOnce);
}

/// GHSA-34mr-7r3m-gfg7: a path that starts well and goes elsewhere is none.
#[test]
fn paths_are_canonical_or_nothing() {
    for path in ["/ws/../etc/passwd", "/ws/./a", "/ws//a", "/ws/a/", "ws/a", "", ".", "..", "../ws/a", "/ws/.."] {
        for mode in [Mode::Ask, Mode::Full] {
            let policy = Policy { mode, ..policy() };
            let mut elsewhere = exec(&["ls"], "/usr/bin/ls");
            if let What::Exec(command) = &mut elsewhere.what {
                command.cwd = path.into();
            }
            for action in [
                inside(What::Read(path.into())),
                inside(What::List(path.into())),
                inside(What::Search(path.into())),
                inside(write(path)),
                writing(script("ls"), path),
                elsewhere,
            ] {
                assert_eq!(is(&decide(&policy, &none(), &action)), Is::Forbidden, "{path:?}");
            }
        }
    }
    // Names that look like those are names.
    for path in ["/ws/..a", "/ws/a..", "/ws/...", "/ws/ ", "/ws/a\n"] {
        assert_eq!(is(&decide(&policy(), &none(), &inside(What::Read(path.into())))), Is::Inside, "{path:?}");
    }
}

#[test]
fn what_is_no_command_is_forbidden() {
    for mode in [Mode::Ask, Mode::Full] {
        let policy = Policy { mode, ..policy() };
        for action in [exec(&[], "/usr/bin/ls"), exec(&["ls", "a\0"], "/usr/bin/ls"), script("a\0")] {
            assert_eq!(is(&decide(&policy, &none(), &action)), Is::Forbidden, "{action:?}");
        }
    }
}

#[test]
fn what_cannot_be_shown_whole_is_not_asked() {
    let long = unboxed(script(&"a".repeat(8_192)));
    let Verdict::Forbid(words) = decide(&policy(), &none(), &long) else { panic!("is forbidden") };
    assert!(words.contains("into a file"), "{words}");
    assert_eq!(is(&decide(&policy(), &none(), &unboxed(script(&"a".repeat(8_000))))), Is::AsksOnce);
}

/// Of bytes that are no text a question could say their number and their hash, which is nothing to decide on.
#[test]
fn what_is_no_text_is_not_asked() {
    let write = |path: &str| inside(What::Write(Change::new(path.into(), Some(b"a"), vec![0xff])));
    assert_eq!(is(&decide(&policy(), &none(), &write("/ws/a"))), Is::Inside);
    let Verdict::Forbid(words) = decide(&policy(), &none(), &write("/home/eve/a")) else { panic!("is forbidden") };
    assert!(words.contains("no text"), "{words}");
    let over = inside(What::Write(Change::new("/home/eve/a".into(), Some(&[0xff]), b"a\n".to_vec())));
    assert_eq!(is(&decide(&policy(), &none(), &over)), Is::AsksOnce);
}

#[test]
fn a_question_says_why() {
    let ask = |action: Action| match decide(&policy(), &none(), &action) {
        Verdict::Ask(question) => question,
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(ask(dig()).why, "It wants the network.");
    assert_eq!(
        ask(online(&["python3", "x.py"], "/usr/bin/python3.12")).why,
        "It wants the network. No rule can be saved for it: python3.12 runs whatever program it is given."
    );
    assert_eq!(
        ask(writing(exec(&["ls"], "/usr/bin/ls"), "/opt/\u{202e}x")).why,
        "It wants to write in /opt/\\u{202e}x. No rule can be saved for what writes beyond the workspace."
    );
    assert_eq!(
        ask(naming("/home/eve/key")).why,
        "It gets to see /home/eve/key, which nothing in the sandbox sees otherwise. No rule can be saved for it: dash is \
         a shell."
    );
    // How much is read: one file, the names in a folder, or everything below it.
    let reading = |what: What| ask(inside(what)).why;
    assert!(reading(What::Read("/home/eve".into())).starts_with("It reads a file beyond the workspace."));
    assert!(reading(What::List("/home/eve".into())).starts_with("It lists a folder beyond the workspace"));
    assert!(reading(What::Search("/home/eve".into())).contains("every file there and in all folders below"));
    let proposed = ask(dig()).proposed.expect("a rule");
    let expected = Rule {
        id: String::new(),
        agent_id: String::new(),
        folder: Some("/ws".into()),
        program: file("/usr/bin/dig").path.display().to_string(),
        argv: vec!["dig".into(), "a.example".into()],
        prefix: false,
        network: true,
        sandboxed: true,
        created_at: 0,
        expires_at: None,
    };
    assert_eq!(proposed, expected);
}
