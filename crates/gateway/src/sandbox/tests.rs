//! Real processes that try to leave, with each mechanism on its own, and that will not stop.
//!
//! What a mechanism needs and this machine lacks is said on stderr, and that part is left out. The hostile programs are
//! in Perl, which is on every Debian and can do any system call.

mod leave;
mod name;
mod stop;
mod swap;
mod temp;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::freeze::identity;
use super::*;
use crate::approval::action::{Action, Command, Reach, Script, What};
use crate::supervisor::Supervisor;

/// Folders of one test.
struct Place {
    _folder: tempfile::TempDir,
    workspace: PathBuf,
    temp: PathBuf,
    /// Nobody grants it.
    outside: PathBuf,
    /// The gateway's own.
    state: PathBuf,
    supervisor: Supervisor,
}

impl Place {
    fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// One that lets bubblewrap put the folder for temporary files at `/tmp`, since none of its folders is there already.
    fn beside_tmp() -> Self {
        Self::below(Path::new("/var/tmp"))
    }

    fn both() -> [Self; 2] {
        [Self::new(), Self::beside_tmp()]
    }

    fn below(folder: &Path) -> Self {
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let top = fs::canonicalize(folder.path()).expect("is there");
        let made = |name: &str| {
            let path = top.join(name);
            fs::create_dir_all(&path).expect("makes");
            path
        };
        let (state, outside) = (made("state"), made("outside"));
        fs::write(state.join("token"), "secret of the gateway").expect("writes");
        fs::write(outside.join("canary"), "secret of the person").expect("writes");
        Self {
            workspace: made("state/agents/main"),
            temp: made("temp"),
            outside,
            state,
            supervisor: Supervisor::default(),
            _folder: folder,
        }
    }

    fn sandbox(&self, mechanism: Mechanism) -> Sandbox {
        Sandbox::with(mechanism, vec![self.state.clone()])
    }

    fn confinement(&self) -> Confinement {
        Confinement { workspace: self.workspace.clone(), temp: self.temp.clone(), network: false, writes: vec![] }
    }

    /// As `confined` says; the plain mechanism confines nothing.
    fn launch(&self, mechanism: Mechanism) -> Launch {
        let confined = (mechanism != Mechanism::Plain).then(|| self.confinement());
        Launch { confined, limits: limits(), terminal: false }
    }

    async fn start(&self, mechanism: Mechanism, argv: &[&str]) -> Running {
        self.launched(mechanism, self.launch(mechanism), argv).await
    }

    async fn launched(&self, mechanism: Mechanism, launch: Launch, argv: &[&str]) -> Running {
        let frozen = freeze(&command(&self.workspace, argv, &[])).expect("nothing has changed");
        start(&self.sandbox(mechanism), frozen, launch, &self.supervisor).await.expect("starts")
    }

    /// Runs to the end, without input.
    async fn run(&self, mechanism: Mechanism, argv: &[&str]) -> Ended {
        let mut running = self.start(mechanism, argv).await;
        running.close_input();
        running.ended().await
    }
}

fn limits() -> Limits {
    Limits { timeout: Duration::from_secs(20), ..Limits::default() }
}

/// `argv` with its program as it is now, and the scripts among its arguments.
fn command(cwd: &Path, argv: &[&str], scripts: &[&Path]) -> Action {
    let program = match argv[0].contains('/') {
        true => PathBuf::from(argv[0]),
        false => Path::new("/usr/bin").join(argv[0]),
    };
    let command = Command {
        argv: argv.iter().map(|arg| (*arg).to_owned()).collect(),
        program: identity(&program),
        files: scripts.iter().map(|script| identity(script)).collect(),
        cwd: cwd.to_owned(),
        env: [("ADDED".to_owned(), "by the action".to_owned())].into(),
        tmp: None,
    };
    Action { what: What::Exec(command), reach: Reach::default(), description: None }
}

/// Those that work here; why the others do not is said.
async fn walls() -> Vec<Mechanism> {
    let mut walls = Vec::new();
    if bubblewrap::find().is_some() {
        walls.push(Mechanism::Bubblewrap);
    } else {
        eprintln!("left out: bubblewrap is not installed");
    }
    if landlock::held().files {
        walls.push(Mechanism::Landlock);
    } else {
        eprintln!("left out: this kernel has no Landlock of its third version");
    }
    let mut working = Vec::new();
    for mechanism in walls {
        let place = Place::new();
        let frozen = freeze(&command(&place.workspace, &["true"], &[])).expect("nothing has changed");
        match start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await {
            Ok(mut running) => match running.ended().await {
                Ended { reason: Reason::Exited, code: Some(0), .. } => working.push(mechanism),
                other => eprintln!("left out: {mechanism:?} does not work here: {other:?}"),
            },
            Err(error) => eprintln!("left out: {mechanism:?} does not work here: {error}"),
        }
    }
    working
}

/// Processes of this machine with a word in their command line, and the state of each.
fn marked(word: &str) -> Vec<(i32, char)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("lists").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if String::from_utf8_lossy(&line).contains(word) && pid != i32::try_from(std::process::id()).unwrap() {
            found.extend(state.filter(|state| *state != 'Z').map(|state| (pid, state)));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_isolates_here_is_found_out() {
    let sandbox = Sandbox::default();
    assert_eq!((sandbox.kind(), sandbox.is_enforced()), ("none", false));
    sandbox.look().await;
    let expected = match walls().await.first() {
        Some(Mechanism::Bubblewrap) => "bubblewrap",
        Some(Mechanism::Landlock) => "landlock",
        _ => "none",
    };
    assert_eq!(sandbox.kind(), expected, "{:?}", sandbox.missing());
    assert_eq!(sandbox.is_enforced(), expected != "none");
    eprintln!("{} enforces {:?}; missing: {:?}", sandbox.kind(), sandbox.enforces(), sandbox.missing());
}

#[tokio::test(flavor = "multi_thread")]
async fn output_input_environment_and_folder() {
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        let place = Place::new();
        let ended = place.run(mechanism, &["sh", "-c", "echo out; echo err >&2; pwd; exit 7"]).await;
        let text = ended.output.text();
        assert_eq!((ended.reason, ended.code), (Reason::Exited, Some(7)), "{mechanism:?} {text}");
        for line in ["out\n", "err\n", &format!("{}\n", place.workspace.display())] {
            assert!(text.contains(line), "{mechanism:?} {text}");
        }

        let mut running = place.start(mechanism, &["cat"]).await;
        running.write("grüße ".as_bytes()).await.expect("writes");
        running.write(b"\xe2\x82").await.expect("writes");
        running.write(b"\xac\n").await.expect("writes");
        running.close_input();
        let mut shown = String::new();
        while let Some(chunk) = running.next_output().await {
            assert_eq!(chunk.stream, Stream::Stdout);
            shown.push_str(&chunk.text);
        }
        assert_eq!(shown, "grüße €\n", "{mechanism:?}");

        let ended = place.run(mechanism, &["env"]).await;
        let text = ended.output.text();
        assert!(text.contains("ADDED=by the action\n"), "{mechanism:?} {text}");
        let known =
            ["PATH", "HOME", "LANG", "TZ", "TERM", "USER", "LOGNAME", "SHELL", "TMPDIR", "COLORTERM", "ADDED", "PWD"];
        for name in text.lines().filter_map(|line| Some(line.split_once('=')?.0)) {
            assert!(known.contains(&name) || name.starts_with("LC_"), "{mechanism:?} {name}");
        }

        let launch = Launch { terminal: true, ..place.launch(mechanism) };
        let mut running =
            place.launched(mechanism, launch, &["sh", "-c", "test -t 0 && test -t 1 && echo terminal"]).await;
        let ended = running.ended().await;
        assert!(ended.output.text().contains("terminal"), "{mechanism:?} {ended:?}");

        let script = Script {
            text: "for n in 1 2; do printf '%s' \"$n\"; done".to_owned(),
            shell: identity(Path::new("/bin/sh")),
            cwd: place.workspace.clone(),
            env: Default::default(),
        };
        let action = Action { what: What::Script(script), reach: Reach::default(), description: None };
        let frozen = freeze(&action).expect("nothing has changed");
        let mut running =
            start(&place.sandbox(mechanism), frozen, place.launch(mechanism), &place.supervisor).await.expect("starts");
        assert_eq!(running.ended().await.output.text(), "12", "{mechanism:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_with_less_than_was_asked_for() {
    let place = Place::new();
    let frozen = || freeze(&command(&place.workspace, &["true"], &[])).expect("nothing has changed");
    let launch = place.launch(Mechanism::Landlock);
    let refused = start(&place.sandbox(Mechanism::Plain), frozen(), launch.clone(), &place.supervisor).await;
    assert!(matches!(refused, Err(LaunchError::NotIsolated)), "{refused:?}");
    for mechanism in walls().await {
        for writes in [place.state.clone(), place.state.join("agents")] {
            let confined = Some(Confinement { writes: vec![writes], ..place.confinement() });
            let launch = Launch { confined, ..launch.clone() };
            let refused = start(&place.sandbox(mechanism), frozen(), launch, &place.supervisor).await;
            assert!(matches!(refused, Err(LaunchError::Hidden(_))), "{mechanism:?} {refused:?}");
        }
        let confined = Some(Confinement { temp: place.outside.join("none"), ..place.confinement() });
        let launch = Launch { confined, ..launch.clone() };
        let refused = start(&place.sandbox(mechanism), frozen(), launch, &place.supervisor).await;
        assert!(matches!(refused, Err(LaunchError::Folder { .. })), "{mechanism:?} {refused:?}");
    }
}

/// Where a hand has put the workspace above the gateway's folder.
#[tokio::test(flavor = "multi_thread")]
async fn no_folder_on_the_way_to_the_gateways_own_can_be_moved() {
    for mechanism in walls().await {
        let place = Place::new();
        let hidden = place.outside.join("own");
        fs::create_dir(&hidden).expect("makes");
        let above = place.outside.parent().expect("is there").to_owned();
        for (workspace, runs) in [(place.outside.clone(), mechanism == Mechanism::Bubblewrap), (above, false)] {
            let frozen = freeze(&command(&workspace, &["true"], &[])).expect("nothing has changed");
            let confined = Some(Confinement { workspace, ..place.confinement() });
            let launch = Launch { confined, ..place.launch(mechanism) };
            let sandbox = Sandbox::with(mechanism, vec![hidden.clone()]);
            let started = start(&sandbox, frozen, launch, &place.supervisor).await;
            assert_eq!(started.is_ok(), runs, "{mechanism:?} {started:?}");
            assert!(runs || matches!(started, Err(LaunchError::Hidden(_))), "{mechanism:?} {started:?}");
        }
    }
}
