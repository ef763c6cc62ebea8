//! What commands start, as the kernel was asked for it: `strace`, read strictly. A line that is not understood fails.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

/// A program that is started with these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Canonical.
    pub program: PathBuf,
    pub argv: Vec<String>,
}

/// Folders of one test. Nothing in them does anything.
pub struct Place {
    _folder: tempfile::TempDir,
    root: PathBuf,
    /// Where commands run.
    pub work: PathBuf,
    /// Where programs are looked for.
    pub path: Vec<PathBuf>,
}

/// Before each job an `execve` of this and the job's number, which fails.
const MARK: &str = "/no-such-folder/";

/// Runs jobs one after the other. It has no shell, so that what it starts is what it was given.
const DRIVER: &str = r#"
import json, os, sys
plan = json.load(open(sys.argv[1], encoding="utf-8"))
env = {name: value.encode() for name, value in plan["env"].items()}
quiet = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)]
for number, (program, argv) in enumerate(plan["jobs"]):
    try:
        os.execve(plan["mark"] + str(number), ["mark"], {})
    except FileNotFoundError:
        pass
    words = [word.encode() for word in argv]
    os.waitpid(os.posix_spawn(program.encode(), words, env, file_actions=quiet), 0)
"#;

impl Place {
    /// `a`, `canary` and the names that shells have themselves in the first folder, `b` and `c` in the second: a file of
    /// the name `b` that is no program stands before it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        let work = root.join("work");
        let path = vec![root.join("bin"), root.join("more")];
        let place = Self { _folder: folder, root, work, path };
        for folder in ["bin", "more", "work/d"] {
            fs::create_dir_all(place.root.join(folder)).expect("a folder");
        }
        // The interpreter of a script has to be in a folder of programs.
        std::os::unix::fs::symlink("/bin/sh", place.root.join("bin/sh")).expect("a link");
        std::os::unix::fs::symlink("/usr/bin/env", place.root.join("bin/env")).expect("a link");
        for name in ["bin/a", "bin/canary", "bin/echo", "bin/printf", "bin/true", "more/a", "more/b", "more/c"] {
            place.program(name);
        }
        place.program("work/canary");
        place.program("work/d/a");
        for name in ["bin/b", "work/x", "work/y z"] {
            fs::write(place.root.join(name), "").expect("a file");
        }
        place
    }

    fn program(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.join(name);
        fs::write(&path, format!("#!{}/bin/sh\n", self.root.display())).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    /// Runs each job, and gives what was started in its course, itself first.
    pub fn record(&self, jobs: &[Started]) -> Vec<Vec<Started>> {
        let (plan, trace) = (self.root.join("plan"), self.root.join("trace"));
        let path = self.path.iter().map(|folder| folder.to_str().expect("text")).collect::<Vec<_>>().join(":");
        let env = json!({ "PATH": path, "HOME": self.work, "LC_ALL": "C.UTF-8", "x": "canary" });
        let listed: Vec<_> = jobs.iter().map(|job| json!([job.program, job.argv])).collect();
        fs::write(&plan, json!({ "mark": MARK, "env": env, "jobs": listed }).to_string()).expect("a file");
        // All strings whole and in hex; stopped at these two calls alone.
        let output = Command::new("strace")
            .args(["-f", "--seccomp-bpf", "-qq", "-xx", "-s", "65535", "-e", "signal=none"])
            .args(["-e", "trace=execve,execveat", "-o"])
            .arg(&trace)
            .args(["python3", "-IS", "-c", DRIVER])
            .arg(&plan)
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .output()
            .expect("strace starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs::read_to_string(&trace).expect("hex is text");
        let started = self.read(&text);
        assert_eq!(started.len(), jobs.len(), "every job left its mark");
        started
    }

    /// What was started behind each mark.
    fn read(&self, trace: &str) -> Vec<Vec<Started>> {
        let mut jobs: Vec<Vec<Started>> = Vec::new();
        let mut begun: HashMap<&str, &str> = HashMap::new();
        for line in trace.lines() {
            let (pid, what) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            let what = what.trim_start();
            // Two lines where another process came between: the first has the words, the second the outcome.
            if let Some(call) = what.strip_suffix(" <unfinished ...>") {
                assert_eq!(begun.insert(pid, call), None, "{line}");
                continue;
            }
            let (call, outcome) = match what.strip_prefix("<... execve resumed>)") {
                Some(outcome) => (begun.remove(pid).unwrap_or_else(|| panic!("{line}")), outcome),
                // The first bracket that closes: there is none in hex.
                None => what.split_once(')').unwrap_or_else(|| panic!("{line}")),
            };
            let (path, argv) = words(call).unwrap_or_else(|| panic!("not understood: {line}"));
            if let Some(number) = path.strip_prefix(MARK) {
                assert_eq!(number, jobs.len().to_string(), "{line}");
                jobs.push(Vec::new());
                continue;
            }
            match (outcome.trim(), jobs.last_mut()) {
                // Before the first mark it was strace's own child.
                ("= 0", None) => {}
                ("= 0", Some(job)) => {
                    let program = fs::canonicalize(self.work.join(&path)).unwrap_or_else(|_| panic!("{path}"));
                    job.push(Started { program, argv });
                }
                (failed, _) => assert!(failed.starts_with("= -1 E"), "{line}"),
            }
        }
        assert!(begun.is_empty(), "{begun:?}");
        jobs
    }
}

/// Path and words of `execve("\x61", ["\x61", "\x62"], 0x7ffe /* 3 vars */`.
fn words(call: &str) -> Option<(String, Vec<String>)> {
    let (path, rest) = string(call.strip_prefix("execve(")?)?;
    let mut rest = rest.strip_prefix(", [")?;
    let mut argv = Vec::new();
    while !rest.starts_with(']') {
        let (word, behind) = string(rest)?;
        argv.push(word);
        rest = behind.strip_prefix(", ").unwrap_or(behind);
    }
    rest.starts_with("], 0x").then_some((path, argv))
}

/// A string in hex, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let (hex, rest) = text.strip_prefix('"')?.split_once('"')?;
    let mut bytes = Vec::new();
    for byte in hex.split("\\x").skip(1) {
        bytes.push(u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)?);
    }
    (bytes.len() * 4 == hex.len()).then_some(())?;
    Some((String::from_utf8(bytes).ok()?, rest))
}

/// A shell with a text.
pub fn shell(shell: &str, text: &str) -> Started {
    let program = fs::canonicalize(Path::new(shell)).expect("the shell is installed");
    let name = Path::new(shell).file_name().and_then(|name| name.to_str()).expect("a name");
    Started { program, argv: [name, "-c", text].map(str::to_owned).to_vec() }
}
