//! What is wrong with a home, in words, and the command that mends it. Only looks: nothing here writes, and a database
//! is opened in a way that not even makes its side files.
//!
//! Elsewhere: what a running gateway says of itself, and what the machine offers (`simpleclaw doctor` adds both).

mod database;
mod folder;
mod models;
mod sandbox;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use simpleclaw_protocol::DEFAULT_PORT;
use simpleclaw_protocol::methods::config::IssueSeverity;

use crate::config::{self, Config};
use crate::home::Home;
use crate::server;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    pub state: State,
    pub message: String,
    /// A command that mends it, or a sentence where no command does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// Good to know.
    Note,
    /// Works, and deserves a look.
    Warning,
    /// Does not work.
    Error,
}

impl Finding {
    pub fn new(check: &'static str, state: State, message: impl Into<String>) -> Self {
        Self { check, state, message: message.into(), remedy: None }
    }

    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Looks at everything that is there without a gateway, in the order in which it matters. Takes seconds where a provider
/// does not answer.
pub async fn examine(home: &Home) -> Vec<Finding> {
    let mut findings = folder::examine(home);
    if !home.path().is_dir() {
        return findings;
    }
    let (config, words) = configuration(home);
    findings.extend(words);
    findings.extend(port(home, config.as_deref()));
    findings.extend(database::examine(home).await);
    findings.push(sandbox::examine(config.as_deref(), home).await);
    if let Some(config) = config {
        findings.extend(models::examine(&config, home).await);
    }
    findings
}

/// The configuration that a start would run with, and every issue of the file with its place.
fn configuration(home: &Home) -> (Option<Arc<Config>>, Vec<Finding>) {
    let path = home.config_path();
    let (config, issues, last_good) = match config::preview(home) {
        Ok(loaded) => (Some(loaded.config), loaded.issues, !loaded.valid),
        Err(error) => (None, error.issues, false),
    };
    let mut findings: Vec<_> = issues
        .iter()
        .map(|issue| {
            let state = match issue.severity {
                IssueSeverity::Warning => State::Warning,
                IssueSeverity::Error => State::Error,
            };
            let key = issue.path.trim_start_matches('/').replace('/', ".");
            let key = if key.is_empty() { key } else { format!("{key}: ") };
            let words = format!("{}:{}:{}: {key}{}", path.display(), issue.line, issue.column, issue.message);
            Finding::new("config", state, words).remedy(format!("${{EDITOR:-vi}} +{} {}", issue.line, quoted(&path)))
        })
        .collect();
    if last_good {
        findings.push(Finding::new(
            "config",
            State::Warning,
            "until the file is corrected, the last good version runs",
        ));
    } else if config.is_none() {
        let words = "there is no last good version either: the gateway does not start";
        findings.push(Finding::new("config", State::Error, words).remedy(format!("mv {0} {0}.broken", quoted(&path))));
    }
    if findings.is_empty() {
        let words = if path.exists() { "config.yaml is valid" } else { "no config.yaml: the defaults are in use" };
        findings.push(Finding::new("config", State::Ok, words));
    }
    (config, findings)
}

/// Whether the port can be had, where no gateway of this home has it.
fn port(home: &Home, config: Option<&Config>) -> Option<Finding> {
    if home.read_lock().is_some() {
        return None;
    }
    let gateway = &config?.gateway;
    let port = match home.is_profile() && gateway.port == DEFAULT_PORT {
        true => home.kept_port()?,
        false => gateway.port,
    };
    Some(match server::bind(&gateway.bind, port) {
        Ok(_) => Finding::new("port", State::Ok, format!("port {port} is free")),
        Err(error) => {
            let finding = Finding::new("port", State::Error, error.to_string());
            match error.free {
                Some(free) => finding.remedy(format!("simpleclaw gateway run --port {free}")),
                None => finding,
            }
        }
    })
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ',' | ':' | '@');
    match text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(all(test, unix))]
mod tests;
