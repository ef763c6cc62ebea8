//! `simpleclaw config`: against the running gateway, or on the files of a home in which none runs.

mod edit;
mod show;
mod target;

use serde_json::{Value, json};

use crate::args::Global;
use crate::failure::{CONFIG, Failure};
use crate::input;
use crate::output::Output;
use crate::place;
use target::Target;

/// What can be typed after `config`. A PATH is dotted (`agents.default`), or a JSON Pointer (`/agents/default`).
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with the file, and where
    Check,
    /// Print what runs: all of it, or what is at PATH
    Get { path: Option<String> },
    /// Set one value
    Set {
        path: String,
        /// YAML or JSON; `-` reads it from standard input
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        how: How,
    },
    /// Change several values at once
    Patch {
        /// JSON Merge Patch: `null` removes; `-` reads it from standard input
        #[arg(value_name = "JSON")]
        patch: String,
        #[command(flatten)]
        how: How,
    },
    /// Remove a key; its default holds again
    Unset {
        path: String,
        #[command(flatten)]
        how: How,
    },
    /// Open the file in $VISUAL or $EDITOR; secrets are masked, and a mask left as it is keeps its secret
    Edit,
    /// Print what keys there are, with their bounds and defaults
    Schema { path: Option<String> },
    /// List the last 50 changes
    History,
    /// Go back to the file as it was before a change
    Restore { id: String },
    /// Print where the file is
    Path,
}

#[derive(Debug, clap::Args)]
pub struct How {
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

pub async fn run(global: &Global, command: ConfigCommand, output: Output) -> Result<(), Failure> {
    if matches!(command, ConfigCommand::Path) {
        let path = place::home(global)?.config_path();
        return output.payload(&json!({ "path": path }), |_| Ok(path.display().to_string()));
    }
    let target = Target::open(global).await?;
    let mut interrupts = input::Interrupts::new()?;
    let work = serve(&target, command, output);
    let result = tokio::select! {
        result = work => result,
        () = interrupts.next() => Err(Failure::interrupted()),
    };
    target.close().await;
    result
}

async fn serve(target: &Target, command: ConfigCommand, output: Output) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check => check(target, output).await,
        ConfigCommand::Get { path } => {
            let got = target.call("config.get", json!({ "path": path.unwrap_or_default() })).await?;
            if got["valid"] == false {
                output.note("The file has errors, so this is not what it says: see `simpleclaw config check`.");
            }
            output.payload(&got["value"], show::value)
        }
        ConfigCommand::Schema { path } => {
            let schema = target.call("config.schema", json!({ "path": path.unwrap_or_default() })).await?;
            output.payload(&schema["schema"], crate::show::any)
        }
        ConfigCommand::History => {
            let history = target.call("config.history", json!({})).await?;
            output.payload(&history, show::history)
        }
        ConfigCommand::Set { path, value, how } => {
            let typed = typed(value)?;
            let value = simpleclaw_gateway::offline::value(&path, &typed).map_err(Failure::usage)?;
            change(target, "config.set", json!({ "path": path, "value": value, "dryRun": how.dry_run }), output).await
        }
        ConfigCommand::Unset { path, how } => {
            let params = json!({ "path": path, "value": null, "dryRun": how.dry_run });
            change(target, "config.set", params, output).await
        }
        ConfigCommand::Patch { patch, how } => {
            let patch = input::params(Some(patch))?;
            change(target, "config.patch", json!({ "patch": patch, "dryRun": how.dry_run }), output).await
        }
        ConfigCommand::Restore { id } => change(target, "config.restore", json!({ "id": id }), output).await,
        ConfigCommand::Edit => edit::run(target, output).await,
        // Answered without a target.
        ConfigCommand::Path => Ok(()),
    }
}

async fn change(target: &Target, method: &str, params: Value, output: Output) -> Result<(), Failure> {
    let dry = params["dryRun"] == true;
    let changed = target.call(method, params).await.map_err(|failure| told(failure, output))?;
    output.payload(&changed, |changed| show::change(changed, dry))
}

/// A refused change: every mistake is shown, and the exit code says that the configuration is what is wrong.
fn told(failure: Failure, output: Output) -> Failure {
    let issues = show::issues(&failure);
    let broken = failure.more.get("details").is_some_and(|details| details["line"].is_u64());
    if issues.is_empty() && !broken {
        return failure;
    }
    if !output.json && issues.len() > 1 {
        issues.iter().for_each(|issue| output.note(&show::issue(issue, None)));
    }
    Failure { exit: CONFIG, ..failure }
}

async fn check(target: &Target, output: Output) -> Result<(), Failure> {
    let got = target.call("config.get", json!({})).await?;
    let (path, raw) = (target.file(), got["raw"].as_str().unwrap_or_default());
    let issues = show::with_lines(&got["issues"], raw);
    if !output.json {
        issues.iter().for_each(|issue| output.note(&show::issue(issue, path.as_deref())));
    }
    if got["valid"] == true {
        let result = json!({ "valid": true, "path": path, "hash": got["hash"], "issues": issues });
        return output.payload(&result, show::good);
    }
    let errors = issues.iter().filter(|issue| issue["severity"] == "error").count();
    let words = match errors {
        1 => "the configuration has an error".to_owned(),
        _ => format!("the configuration has {errors} errors"),
    };
    let mut failure = Failure::new(CONFIG, "CONFIG", words);
    failure.more.insert("details".to_owned(), json!({ "path": path, "issues": issues }));
    Err(failure)
}

fn typed(value: String) -> Result<String, Failure> {
    match value.as_str() {
        "-" => Ok(input::all()?.trim_end_matches(['\r', '\n']).to_owned()),
        _ => Ok(value),
    }
}
