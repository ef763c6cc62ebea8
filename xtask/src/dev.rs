//! `dev`: the gateway, built and started again on each change, and Vite with the UI from its sources.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime};

use crate::{children, cmd, run, setup, ui};

pub fn run() -> anyhow::Result<()> {
    let root = crate::root()?;
    setup::run(&[])?;
    let stop = children::stop_requests()?;
    let mut built = newest_source(&root);
    cmd::run(cmd::cargo(&root).args(["build", "--package", "simpleclaw"]))?;
    let (mut gateway, first) = children::start_gateway(&mut gateway(&root), &stop)?;
    let mut vite = if ui::exists(&root) {
        // Node itself, not npm: npm would leave Vite behind when it is ended.
        let mut command = Command::new("node");
        command.arg("node_modules/vite/bin/vite.js").args(["--port", "5173", "--strictPort"]);
        Some(children::start(command.current_dir(root.join("ui")).env("SIMPLECLAW_URL", run::web_url(&first)?))?)
    } else {
        None
    };
    let token = run::address(&first)?.split_once('#').map(|(_, token)| token.to_owned()).unwrap_or_default();
    println!("\nThe UI with reload is at http://localhost:5173/#{token}\nCtrl-C stops both.\n");

    let result = watch(&root, &stop, &mut gateway, vite.as_mut(), &mut built);
    for child in vite.iter_mut().chain([&mut gateway]) {
        children::end(child)?;
    }
    result
}

fn watch(
    root: &Path,
    stop: &Receiver<()>,
    gateway: &mut Child,
    mut vite: Option<&mut Child>,
    built: &mut Option<SystemTime>,
) -> anyhow::Result<()> {
    while stop.recv_timeout(Duration::from_millis(500)).is_err() {
        if let Some(status) = vite.as_mut().and_then(|vite| vite.try_wait().transpose()) {
            anyhow::bail!("Vite ended with {}", status?);
        }
        let newest = newest_source(root);
        if newest == *built {
            continue;
        }
        *built = newest;
        // The old one goes on until the new one compiles.
        if cmd::run(cmd::cargo(root).args(["build", "--package", "simpleclaw"])).is_ok() {
            children::end(gateway)?;
            *gateway = children::start_gateway(&mut self::gateway(root), stop)?.0;
        }
    }
    Ok(())
}

fn gateway(root: &Path) -> Command {
    let mut command = cmd::cargo(root);
    command.args(["run", "--quiet", "--package", "simpleclaw", "--", "gateway", "run", "--json"]);
    command
}

/// When a Rust source of the gateway last changed.
fn newest_source(root: &Path) -> Option<SystemTime> {
    fn newest(folder: &Path) -> Option<SystemTime> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let path = entry.path();
                if path.is_dir() { newest(&path) } else { path.metadata().ok()?.modified().ok() }
            })
            .max()
    }
    newest(&root.join("crates"))
}
