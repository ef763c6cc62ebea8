//! A real gateway as a child process, with a home of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::raw::{Opening, RawClient};
use crate::{DEADLINE, Encoding, binary};

/// No search for model servers: a test must not meet one that happens to run here.
const QUIET: &str = "models: {detect: false}\n";

/// A home folder that outlives the gateways that run in it, one after the other.
#[derive(Clone)]
pub struct Home {
    folder: Arc<TempDir>,
    variables: Arc<Mutex<Vec<(String, String)>>>,
}

impl Home {
    /// A folder that does not exist yet, in one that does.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("simpleclaw-").tempdir().expect("a temporary folder");
        Self { folder: Arc::new(folder), variables: Arc::default() }
    }

    pub fn with_config(config: &str) -> Self {
        let home = Self::new();
        std::fs::create_dir(home.path()).expect("the home folder");
        std::fs::write(home.path().join("config.yaml"), config).expect("the configuration");
        home
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// An environment variable for the commands of this home.
    pub fn set_variable(&self, name: &str, value: &str) {
        let mut variables = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        variables.push((name.to_owned(), value.to_owned()));
    }

    /// What the gateways of this home wrote to standard error.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// The command of the program under test in this home and in no other.
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary::simpleclaw());
        command.env_clear();
        for name in ["PATH", "TMPDIR", "SystemRoot", "LANG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.folder.path()).env("SIMPLECLAW_HOME", self.path()).stdin(Stdio::null());
        command.envs(self.variables.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        // No session bus: the key store of whoever runs the tests is none of theirs.
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", self.folder.path().join("no-bus").display()));
        command
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// A running gateway; dropped, it is killed.
pub struct Gateway {
    pub home: Home,
    pub port: u16,
    pub token: String,
    pub pid: u32,
    child: Child,
}

/// How a start ended that gave no gateway.
#[derive(Debug)]
pub struct FailedStart {
    pub exit: Option<i32>,
    /// The one line on standard output.
    pub line: Value,
    pub stderr: String,
}

impl Gateway {
    /// With no configuration but that no model server is looked for; the built-in guide answers.
    pub async fn start() -> Self {
        Self::with_config(QUIET).await
    }

    pub async fn with_config(config: &str) -> Self {
        Self::in_home(&Home::with_config(config)).await
    }

    pub async fn in_home(home: &Home) -> Self {
        Self::try_in_home(home, &["--port", "0"]).await.unwrap_or_else(|failed| panic!("no start: {failed:?}"))
    }

    /// Starts it and reads the one line that says how that went.
    pub async fn try_in_home(home: &Home, arguments: &[&str]) -> Result<Self, FailedStart> {
        let stderr = File::options().create(true).append(true).open(home.folder.path().join("stderr"));
        let mut command = home.command();
        command.args(["--json", "gateway", "run"]).args(arguments);
        command.stdout(Stdio::piped()).stderr(stderr.expect("a file for standard error"));
        let mut child = command.spawn().expect("the gateway starts");
        let output = child.stdout.take().expect("its output is piped");
        let read = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let mut output = BufReader::new(output);
            let read = output.read_line(&mut line).map(|_| line);
            // Kept open: a closed pipe would be an error for whatever it prints later.
            (read, output)
        });
        let (line, output) = crate::within(DEADLINE, "first line of the gateway", read).await.expect("a thread");
        let line: Value = serde_json::from_str(&line.expect("standard output")).unwrap_or(Value::Null);
        if line["event"] != "listening" {
            let exit = wait(&mut child, DEADLINE).await.code();
            return Err(FailedStart { exit, line, stderr: home.stderr() });
        }
        std::thread::spawn(move || std::io::copy(&mut { output }, &mut std::io::sink()));
        let url = line["url"].as_str().expect("a URL");
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port in the URL");
        let token = std::fs::read_to_string(home.path().join("token")).expect("the token file").trim().to_owned();
        let pid = child.id();
        assert_eq!(line, json!({ "event": "listening", "url": format!("ws://127.0.0.1:{port}"), "pid": pid }));
        Ok(Self { home: home.clone(), port, token, pid, child })
    }

    /// Opens a WebSocket; nothing is said on it yet.
    pub async fn open(&self, encoding: Encoding) -> RawClient {
        RawClient::open(self.port, encoding, &Opening::default()).await.expect("the upgrade")
    }

    /// A connection of the owner with all scopes, past its `hello-ok`.
    pub async fn connect(&self, encoding: Encoding) -> RawClient {
        self.connect_as(encoding, json!({})).await
    }

    /// As [`Self::connect`], with these members of the `connect` params instead of the usual ones.
    pub async fn connect_as(&self, encoding: Encoding, members: Value) -> RawClient {
        let mut client = self.open(encoding).await;
        let answer = client.handshake(self.params(members)).await;
        assert_eq!(answer["ok"], true, "connect was refused: {answer}");
        client
    }

    /// The same at another port, where the gateway has moved.
    pub async fn connect_at(&self, port: u16) -> RawClient {
        let mut client = RawClient::open(port, Encoding::Json, &Opening::default()).await.expect("the upgrade");
        let answer = client.handshake(self.params(json!({}))).await;
        assert_eq!(answer["ok"], true, "connect was refused: {answer}");
        client
    }

    /// The params of a usual `connect`, overlaid with `members`.
    pub fn params(&self, members: Value) -> Value {
        let mut params = json!({
            "minProtocol": 1,
            "maxProtocol": 1,
            "client": { "id": "tests", "version": "1.0.0", "platform": "linux", "mode": "test" },
            "auth": { "token": self.token },
        });
        for (name, value) in members.as_object().expect("an object") {
            match value {
                Value::Null => params.as_object_mut().expect("an object").remove(name),
                value => params.as_object_mut().expect("an object").insert(name.clone(), value.clone()),
            };
        }
        params
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).expect("a process id"));
        kill(pid, signal).expect("the gateway lives");
        while signal == Signal::SIGSTOP && !self.stands_still() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether every thread is stopped, which comes a moment after the signal.
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid)).expect("the gateway lives");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.is_empty() || stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Waits for the process to end by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        wait(&mut self.child, DEADLINE).await
    }

    /// Ends it the hard way, as a crash would.
    pub async fn crash(mut self) -> Home {
        self.child.kill().expect("the gateway lives");
        self.exited().await;
        self.home.clone()
    }

    /// Every file below its home and its standard error, as one text: where something must not have leaked.
    pub fn all_output(&self) -> String {
        let mut text = self.home.stderr();
        collect(&self.home.path().join("logs"), &mut text);
        text
    }

    /// Resident memory in bytes.
    pub fn rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("the gateway lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a VmRSS line");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes") * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn wait(child: &mut Child, limit: Duration) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        if began.elapsed() > limit {
            let _ = child.kill();
            panic!("the gateway did not end within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn collect(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => collect(&path, text),
            path => text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default())),
        }
    }
}
