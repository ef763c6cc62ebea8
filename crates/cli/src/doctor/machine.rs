//! What the machine offers: the system's service, a display and a tray, a key store.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use simpleclaw_gateway::doctor::{Finding, State};

use crate::args::Global;
use crate::service;

/// For one question to another program.
const PATIENCE: Duration = Duration::from_secs(3);

pub async fn examine(global: &Global) -> Vec<Finding> {
    let mut findings: Vec<Finding> = unit(global).await.into_iter().collect();
    if cfg!(target_os = "linux") {
        findings.push(display().await);
        findings.push(key_store().await);
    }
    findings
}

/// Whether the system runs the gateway, and the program that it should.
async fn unit(global: &Global) -> Option<Finding> {
    let unit = service::systemd_unit(global)?;
    let name = unit.file_name()?.to_str()?.to_owned();
    let Ok(text) = std::fs::read_to_string(&unit) else {
        let words = "the system does not run the gateway: it ends with its terminal";
        return Some(Finding::new("service", State::Note, words).remedy("simpleclaw gateway install"));
    };
    if let Some(program) = service::program_of(&text).filter(|program| !Path::new(program).is_file()) {
        let words = format!("{name} runs {program}, which is not there");
        return Some(Finding::new("service", State::Error, words).remedy("simpleclaw gateway install"));
    }
    let here = std::env::current_exe().ok();
    let other = service::program_of(&text).filter(|program| here.as_deref() != Some(Path::new(program)));
    // Says `inactive` and `failed` with an exit code of its own; without systemd it says nothing.
    Some(match ask("systemctl", &["--user", "is-active", &name]).await.as_deref() {
        Some("failed") => Finding::new("service", State::Error, format!("{name} has failed"))
            .remedy(format!("journalctl --user -u {name} -n 50")),
        Some("active") => match other {
            Some(program) => {
                let words = format!("{name} is active, and runs {program}, which is another program than this one");
                Finding::new("service", State::Note, words).remedy("simpleclaw gateway install")
            }
            None => Finding::new("service", State::Ok, format!("{name} is active")),
        },
        Some("inactive") => Finding::new("service", State::Note, format!("{name} is installed and does not run"))
            .remedy(format!("systemctl --user start {name}")),
        Some(state) if !state.is_empty() => Finding::new("service", State::Note, format!("{name} is {state}")),
        _ => Finding::new("service", State::Note, format!("{name} is installed, and systemd cannot be asked for it")),
    })
}

async fn display() -> Finding {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !set("WAYLAND_DISPLAY") && !set("DISPLAY") {
        let words = "there is none: the tray app cannot run here, the headless gateway can";
        return Finding::new("display", State::Note, words);
    }
    match has_owner("org.kde.StatusNotifierWatcher").await {
        Some(true) => Finding::new("display", State::Ok, "there, with a tray"),
        Some(false) => {
            Finding::new("display", State::Note, "there, without a tray: the app's window works, its icon waits")
                .remedy("on GNOME: install and switch on the extension AppIndicator")
        }
        None => Finding::new("display", State::Ok, "there; whether it has a tray cannot be asked"),
    }
}

async fn key_store() -> Finding {
    match has_owner("org.freedesktop.secrets").await {
        Some(true) => Finding::new("key store", State::Ok, "one answers on the session bus"),
        _ => Finding::new("key store", State::Note, "none answers: secrets belong into secrets.yaml (mode 0600)"),
    }
}

/// Whether somebody has this name on the session bus; `None` where there is no bus, or nothing to ask it with.
async fn has_owner(name: &str) -> Option<bool> {
    let bus = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"];
    let question = [&["--user", "--timeout=2", "call"][..], &bus, &["NameHasOwner", "s", name]].concat();
    match ask("busctl", &question).await.as_deref() {
        Some("b true") => Some(true),
        Some("b false") => Some(false),
        _ => None,
    }
}

/// What a program says on its standard output, however it ends.
async fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
