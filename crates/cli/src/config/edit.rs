//! `config edit`: the text in an editor, then back as a whole.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::target::Target;
use super::{show, told};
use crate::failure::Failure;
use crate::output::Output;

pub async fn run(target: &Target, output: Output) -> Result<(), Failure> {
    let got = target.call("config.get", json!({})).await?;
    let (raw, hash) = (got["raw"].as_str().unwrap_or_default(), &got["hash"]);
    let file = put(raw)?;
    loop {
        open(&file)?;
        let text = std::fs::read_to_string(&file).map_err(|error| cannot("read", &file, &error))?;
        if text == raw {
            remove(&file);
            return output.payload(&json!({ "changed": false }), |_| Ok("Nothing was changed.".to_owned()));
        }
        let failure = match target.call("config.set", json!({ "raw": text, "baseHash": hash })).await {
            Ok(changed) => {
                remove(&file);
                return output.payload(&changed, |changed| show::change(changed, false));
            }
            Err(failure) => told(failure, output),
        };
        if !again(&failure, output) {
            output.note(&format!("Your text is in {}.", file.display()));
            return Err(failure);
        }
    }
}

/// Whether a person, where there is one, wants to go on with the text that was refused.
fn again(failure: &Failure, output: Output) -> bool {
    if output.json || !std::io::stdin().is_terminal() {
        return false;
    }
    output.failure(failure);
    output.text("Edit it again? [Y/n] ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    matches!(read, Ok(length) if length > 0) && !answer.trim().to_lowercase().starts_with('n')
}

/// A file of this user's own.
fn put(text: &str) -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("simpleclaw-{}.yaml", uuid::Uuid::new_v4()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| cannot("write", &path, &error))?;
    Ok(path)
}

fn open(file: &Path) -> Result<(), Failure> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|editor| !editor.trim().is_empty());
    let mut command = match (editor, cfg!(windows)) {
        // Through a shell, since a person may write arguments there.
        (Some(editor), false) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{editor} \"$0\""));
            shell
        }
        (Some(editor), true) => Command::new(editor),
        (None, false) => Command::new("vi"),
        (None, true) => Command::new("notepad"),
    };
    match command.arg(file).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::internal(format!("the editor ended with {status}; nothing was changed"))),
        Err(error) => Err(Failure::usage(format!("no editor starts ({error}); set EDITOR"))),
    }
}

fn remove(file: &Path) {
    // What it holds is masked, and it lies in the folder for what may be lost.
    let _ = std::fs::remove_file(file);
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::internal(format!("cannot {what} {}: {error}", path.display()))
}
