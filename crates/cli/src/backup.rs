//! `simpleclaw backup`: everything of a home in one file, and back again. The work is the gateway crate's.

use std::path::PathBuf;

use serde_json::{Value, json};
use simpleclaw_gateway::backup::{self, BackupError, Manifest};

use crate::args::Global;
use crate::failure::{ERROR, Failure};
use crate::output::Output;
use crate::place;

/// Most paths of one reason that are shown.
const SHOWN: usize = 3;

/// What can be typed after `backup`.
#[derive(Debug, clap::Subcommand)]
pub enum BackupCommand {
    /// Write the conversations, files, settings and workspaces of this home into one file, while the gateway runs or not
    Create {
        /// [default: one named after the home and the time, in this folder]
        file: Option<PathBuf>,
        /// Also the token, secrets.yaml, and secrets that stand in the configuration or its former versions as text; keep
        /// such a file as you keep a password
        #[arg(long)]
        secrets: bool,
    },
    /// Read all of a backup and say whether it is whole
    Verify { file: PathBuf },
    /// Put a backup in the place of this home; the gateway must not run
    Restore {
        file: PathBuf,
        /// Where the home is not empty: move it aside as a whole first
        #[arg(long)]
        force: bool,
    },
}

pub async fn run(global: &Global, command: BackupCommand, output: Output) -> Result<(), Failure> {
    match command {
        BackupCommand::Create { file, secrets } => {
            let home = place::home(global)?;
            let file = file.unwrap_or_else(|| backup::default_name(&home).into());
            let created = backup::create(&home, &file, secrets).await?;
            let mut value = payload(&created.manifest);
            add(&mut value, "file", json!(created.file.display().to_string()));
            add(&mut value, "sizeBytes", json!(created.size_bytes));
            output
                .payload(&value, |_| Ok(format!("wrote {}: {}", created.file.display(), words(&created.manifest))))?;
            if !output.json {
                left_out(output, &created.manifest);
                output.note(match secrets {
                    true => {
                        "The token, secrets.yaml and the configuration as it stands are in it: keep it as you keep a password."
                    }
                    false => {
                        "Not in it: the token, secrets.yaml, the system's key store, and secrets that stand in the \
                         configuration as text."
                    }
                });
            }
            Ok(())
        }
        BackupCommand::Verify { file } => {
            let manifest = backup::verify(&file).await?;
            output.payload(&payload(&manifest), |_| Ok(format!("whole: {}", words(&manifest))))
        }
        BackupCommand::Restore { file, force } => {
            let restored = backup::restore(&place::home(global)?, &file, force).await?;
            let mut value = payload(&restored.manifest);
            add(&mut value, "home", json!(restored.home.display().to_string()));
            add(&mut value, "aside", json!(restored.aside.as_ref().map(|aside| aside.display().to_string())));
            output.payload(&value, |_| {
                Ok(format!("restored {}: {}", restored.home.display(), words(&restored.manifest)))
            })?;
            if !output.json {
                if let Some(aside) = &restored.aside {
                    output.note(&format!("What was there before is {}.", aside.display()));
                }
                left_out(output, &restored.manifest);
                if !restored.manifest.secrets {
                    output.note("The backup has no token and no secrets.yaml: the next start makes a new token.");
                }
            }
            Ok(())
        }
    }
}

/// What is not in a backup: one line for all that follows each other for one reason, with the first of the paths.
fn left_out(output: Output, manifest: &Manifest) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for left in &manifest.left_out {
        if let Some((_, paths)) = reasons.last_mut().filter(|(reason, _)| *reason == left.reason) {
            paths.push(&left.path);
        } else {
            reasons.push((left.reason.as_str(), vec![left.path.as_str()]));
        }
    }
    for (reason, paths) in reasons {
        let shown: Vec<String> = paths.iter().take(SHOWN).map(|path| path.escape_debug().to_string()).collect();
        let more = match paths.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        output.note(&format!("left out: {}{more} ({})", shown.join(", "), reason.escape_debug()));
    }
}

fn payload(manifest: &Manifest) -> Value {
    json!({
        "createdAt": manifest.created_at,
        "version": manifest.version,
        "schema": manifest.schema,
        "secrets": manifest.secrets,
        "files": manifest.files.len(),
        "contentBytes": manifest.size_bytes(),
        "leftOut": manifest.left_out,
    })
}

fn add(value: &mut Value, member: &str, content: Value) {
    if let Some(members) = value.as_object_mut() {
        members.insert(member.to_owned(), content);
    }
}

fn words(manifest: &Manifest) -> String {
    let (files, bytes) = (manifest.files.len(), manifest.size_bytes() as f64 / 1e6);
    format!("{files} files, {bytes:.1} MB, of {} by version {}", manifest.created_at, manifest.version)
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Self::new(ERROR, error.code(), error.to_string())
    }
}
