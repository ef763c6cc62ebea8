//! What would keep an agent's commands in, tried here and now.

use super::{Finding, State};
use crate::config::{Config, SandboxUse};
use crate::home::Home;
use crate::sandbox::Sandbox;

pub async fn examine(config: Option<&Config>, home: &Home) -> Finding {
    let wanted = config.map(|config| config.tools.exec.sandbox).unwrap_or_default();
    if wanted == SandboxUse::Off {
        let words = "switched off by tools.exec.sandbox: commands run as this user, and ask first";
        return Finding::new("sandbox", State::Warning, words).remedy("simpleclaw config set tools.exec.sandbox auto");
    }
    let sandbox = Sandbox::new(vec![home.path().to_owned()]);
    sandbox.look().await;
    let missing = sandbox.missing().join("; ");
    if sandbox.is_enforced() {
        let words = format!("{} isolates commands: {}", sandbox.kind(), sandbox.enforces().join(", "));
        return match missing.is_empty() {
            true => Finding::new("sandbox", State::Ok, words),
            false => Finding::new("sandbox", State::Note, format!("{words} ({missing})")),
        };
    }
    let (state, so) = match wanted {
        SandboxUse::Require => (State::Error, "no command runs"),
        _ => (State::Warning, "every command asks first"),
    };
    let finding = Finding::new("sandbox", state, format!("nothing isolates commands here, so {so}: {missing}"));
    match cfg!(target_os = "linux") {
        true => finding.remedy("sudo apt install bubblewrap"),
        false => finding,
    }
}
