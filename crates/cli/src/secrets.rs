//! `simpleclaw secrets`: the gateway keeps them, this passes them on. A secret comes from the keyboard without echo, or
//! from standard input; as an argument other users and the shell's history would see it.

mod moving;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read as _};

use serde_json::{Value, json};
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::secrets::{
    MAX_SECRET_BYTES, SecretPlace, SecretsList, SecretsListResult, SecretsRemove, SecretsRemoveResult, SecretsSet,
    SecretsSetResult,
};

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::show;

/// What can be typed after `secrets`. In the configuration, {secret: NAME} stands for one.
#[derive(Debug, clap::Subcommand)]
pub enum SecretsCommand {
    /// Show the names, where each is kept, and what uses it
    List,
    /// Keep a secret, in place of the one of that name: asks for it, or reads standard input
    Set {
        name: String,
        /// Taken only to be refused in words that do not repeat it.
        #[arg(hide = true)]
        value: Vec<OsString>,
    },
    /// Forget a secret
    Remove { name: String },
    /// Keep what stands as text in the configuration file, and write {secret: NAME} there instead
    MoveFromConfig,
}

pub fn run(global: &Global, command: SecretsCommand, output: Output) -> Result<(), Failure> {
    match command {
        SecretsCommand::List => crate::call(global, output, SecretsList::NAME, json!({}), list),
        SecretsCommand::Set { name, value } => {
            if !value.is_empty() {
                return Err(Failure::usage(
                    "a secret is not given as an argument, where others see it: give the name alone and type it when asked, or pipe it in",
                ));
            }
            let params = json!({ "name": name, "value": read(&name)?, "idempotencyKey": key() });
            crate::call(global, output, SecretsSet::NAME, params, set)
        }
        SecretsCommand::Remove { name } => {
            let params = json!({ "name": name, "idempotencyKey": key() });
            crate::call(global, output, SecretsRemove::NAME, params, removed)
        }
        SecretsCommand::MoveFromConfig => moving::run(global, output),
    }
}

fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The secret without the line break at its end.
fn read(name: &str) -> Result<String, Failure> {
    let text = match std::io::stdin().is_terminal() {
        true => rpassword::prompt_password(format!("Secret for {name} (not shown): ")),
        false => {
            let mut text = String::new();
            // A little more than fits, so that the gateway's words tell of too much.
            let read = std::io::stdin().lock().take(MAX_SECRET_BYTES as u64 + 3).read_to_string(&mut text);
            read.map(|_| text)
        }
    };
    let text = text.map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted => Failure::interrupted(),
        _ => Failure::usage(format!("cannot read the secret: {error}")),
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage("no secret was given")),
        secret => Ok(secret.to_owned()),
    }
}

fn list(value: &Value) -> Result<String, Failure> {
    let list: SecretsListResult = show::read(value)?;
    let mut lines = Vec::new();
    if list.secrets.is_empty() {
        lines.push("no secrets".to_owned());
    } else {
        let rows = list.secrets.iter().map(|row| {
            let place = row.place.map_or("missing", words);
            match row.used_in.is_empty() {
                true => (row.name.as_str(), format!("{place}, not used")),
                false => (row.name.as_str(), format!("{place}, used in {}", row.used_in.join(", "))),
            }
        });
        lines.push(show::table(rows.collect()));
    }
    lines.extend(list.problems.iter().map(|problem| format!("problem: {problem}")));
    Ok(lines.join("\n"))
}

fn set(value: &Value) -> Result<String, Failure> {
    let set: SecretsSetResult = show::read(value)?;
    let place = format!("{} is kept in the {}.", set.name, words(set.place));
    Ok(match set.used_in.is_empty() {
        true => format!("{place} Write {{secret: {}}} where the configuration needs it.", set.name),
        false => format!("{place} Used in {}.", set.used_in.join(", ")),
    })
}

fn removed(value: &Value) -> Result<String, Failure> {
    let removed: SecretsRemoveResult = show::read(value)?;
    Ok(match removed.used_in.is_empty() {
        true => format!("{} is forgotten.", removed.name),
        false => format!("{} is forgotten; still named in {}.", removed.name, removed.used_in.join(", ")),
    })
}

fn words(place: SecretPlace) -> &'static str {
    match place {
        SecretPlace::KeyStore => "key store of this system",
        SecretPlace::File => "file secrets.yaml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read() {
        let value = json!({
            "secrets": [
                { "name": "telegram", "usedIn": ["/channels/telegram/token"] },
                { "name": "work", "place": "keyStore", "usedIn": [] },
            ],
            "place": "file",
            "problems": ["other users may read it"],
        });
        let expected = "\
telegram  missing, used in /channels/telegram/token
work      key store of this system, not used
problem: other users may read it";
        assert_eq!(list(&value).expect("a list"), expected);
        let value = json!({ "name": "work", "place": "file", "usedIn": [] });
        let expected = "work is kept in the file secrets.yaml. Write {secret: work} where the configuration needs it.";
        assert_eq!(set(&value).expect("a result"), expected);
        let value = json!({ "name": "work", "usedIn": ["/a"] });
        assert_eq!(removed(&value).expect("a result"), "work is forgotten; still named in /a.");
    }
}
