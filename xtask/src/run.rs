//! `run`: set up, build, start, and say where.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use serde_json::Value;

use crate::setup::Part;
use crate::{children, cmd, setup, ui};

#[derive(clap::Args)]
pub struct Args {
    /// The gateway alone, also where there is a display
    #[arg(long)]
    headless: bool,
    /// Optimised, which takes several times as long to build
    #[arg(long)]
    release: bool,
    /// Passed on to the program
    #[arg(last = true)]
    args: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = crate::root()?;
    let desktop = !args.headless && has_display();
    setup::run(if desktop { &[Part::Desktop] } else { &[] })?;
    ui::build_if_stale(&root)?;
    let package = if desktop { "simpleclaw-desktop" } else { "simpleclaw" };
    let profile: &[&str] = if args.release { &["--release"] } else { &[] };
    cmd::run(cmd::cargo(&root).args(["build", "--locked", "--package", package]).args(profile))?;

    let stop = children::stop_requests()?;
    let mut command = cmd::cargo(&root);
    command.args(["run", "--quiet", "--locked", "--package", package]).args(profile).arg("--");
    let mut child = if desktop {
        let asked = SystemTime::now();
        let child = children::start(command.args(&args.args))?;
        std::thread::spawn(move || print_address(&owner(asked)));
        child
    } else {
        let (child, first) =
            children::start_gateway(command.args(["gateway", "run", "--json"]).args(&args.args), &stop)?;
        print_address(&first);
        child
    };
    children::wait(&mut child, &stop)
}

fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// What the owner of the state folder says about itself. The tray app prints nothing, so its lock file is read.
fn owner(since: SystemTime) -> Value {
    let lock = home().join("gateway.lock");
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(20) {
        let fresh = lock.metadata().and_then(|file| file.modified()).is_ok_and(|written| written >= since);
        let text = std::fs::read_to_string(&lock).unwrap_or_default();
        match serde_json::from_str::<Value>(&text) {
            Ok(owner) if fresh && owner["url"].is_string() => return owner,
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    Value::Null
}

/// The address with the token as a fragment, which a browser keeps to itself: one click to the first chat.
fn print_address(gateway: &Value) {
    match address(gateway) {
        Ok(address) => println!("\nSimpleClaw is at {address}\nCtrl-C stops it.\n"),
        Err(error) => println!("\nSimpleClaw runs, but its address is not known: {error:#}\n"),
    }
}

pub fn address(gateway: &Value) -> anyhow::Result<String> {
    let url = web_url(gateway)?;
    let file = gateway["tokenFile"].as_str().map_or_else(|| home().join("token"), PathBuf::from);
    let token = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(format!("{url}/#token={}", token.trim()))
}

/// The gateway's address for a browser. `localhost`, because that is the origin that the UI's storage belongs to.
pub fn web_url(gateway: &Value) -> anyhow::Result<String> {
    let url = gateway["url"].as_str().with_context(|| format!("no `url` in {gateway}"))?;
    let url = url.trim_end_matches("/ws").trim_end_matches('/');
    let url = url.replacen("ws://", "http://", 1).replacen("wss://", "https://", 1);
    Ok(url.replacen("://127.0.0.1:", "://localhost:", 1))
}

/// The state folder, as the gateway finds it.
fn home() -> PathBuf {
    match std::env::var_os("SIMPLECLAW_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir().unwrap_or_else(|| Path::new(".").to_path_buf()).join(".simpleclaw"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_of_the_gateway_becomes_one_for_a_browser() {
        for (url, wanted) in [
            ("http://127.0.0.1:18789", "http://localhost:18789"),
            ("http://127.0.0.1:18789/", "http://localhost:18789"),
            ("ws://127.0.0.1:40001/ws", "http://localhost:40001"),
            ("wss://claw.example:18789", "https://claw.example:18789"),
            ("http://[::1]:18789", "http://[::1]:18789"),
        ] {
            assert_eq!(web_url(&serde_json::json!({"url": url})).unwrap(), wanted);
        }
        assert!(web_url(&serde_json::json!({})).is_err());
    }
}
