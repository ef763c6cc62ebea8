//! The gateway that is measured: started here with a home of its own, or one that runs already.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Enough for the deepest queue that is measured.
const CONFIG: &str = "session: {maxQueued: 10000}
agents: {entries: {main: {name: Claw, model: bench/scripted}}}
models: {detect: false, providers: {bench: {api: openai, baseUrl: \"MODEL\", models: [{id: scripted}]}}}
";

/// Where to connect, and with what.
#[derive(Clone)]
pub struct Target {
    pub url: String,
    pub token: String,
    pub pid: Option<u32>,
}

/// A gateway of our own, killed when dropped.
pub struct Gateway {
    pub target: Target,
    child: Child,
}

impl Gateway {
    /// Starts on a home, which may be fresh, and waits until it listens.
    pub fn start(program: &Path, home: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["gateway", "run", "--port", "0", "--json"]).env("SIMPLECLAW_HOME", home);
        let log = std::fs::File::create(home.join("stderr.log"))?;
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().context("starting the gateway")?;
        let line = first_line(&mut child)?;
        let first: Value = serde_json::from_str(&line).with_context(|| format!("its first line was {line:?}"))?;
        let url = first["url"].as_str().with_context(|| format!("it did not start: {first}"))?.to_owned();
        let token = std::fs::read_to_string(home.join("token"))?.trim().to_owned();
        let target = Target { url, token, pid: Some(child.id()) };
        Ok(Self { target, child })
    }

    /// Ends it gracefully and waits.
    pub fn stop(mut self) -> anyhow::Result<()> {
        ensure!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?.success(), "kill failed");
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(20) {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the gateway did not end")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A temporary home whose agent uses the scripted model.
pub fn home(model: &str) -> anyhow::Result<tempfile::TempDir> {
    // Below `target`, because a temporary folder may be in memory, where syncing costs nothing.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder)?;
    let home = tempfile::tempdir_in(folder)?;
    std::fs::write(home.path().join("config.yaml"), CONFIG.replace("MODEL", model))?;
    Ok(home)
}

pub fn database(home: &Path) -> PathBuf {
    home.join("state/gateway.db")
}

/// The first line that a child prints; what follows is read and dropped, so that it never blocks on a full pipe.
pub fn first_line(child: &mut Child) -> anyhow::Result<String> {
    let mut lines = BufReader::new(child.stdout.take().context("its output")?);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
    Ok(first.trim().to_owned())
}
