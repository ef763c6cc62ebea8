//! Where this user's gateway is: its home, its address, its token. Nothing is written here.

use std::path::PathBuf;

use serde::Deserialize;
use simpleclaw_client::Token;
use simpleclaw_protocol::DEFAULT_PORT;

use crate::args::Global;
use crate::failure::{AUTH, Failure};

/// What a running gateway leaves in its home; only the part that a client needs.
#[derive(Deserialize)]
struct Lock {
    url: String,
}

/// The folder of state and token.
pub fn home(global: &Global) -> Result<PathBuf, Failure> {
    let user = || {
        directories::BaseDirs::new()
            .map(|dirs| dirs.home_dir().to_path_buf())
            .ok_or_else(|| Failure::usage("there is no home folder; set SIMPLECLAW_HOME"))
    };
    match (&global.profile, std::env::var_os("SIMPLECLAW_HOME")) {
        // A name, so that it cannot lead out of the user's folder.
        (Some(name), _) if simpleclaw_protocol::session::valid_name(name) => {
            Ok(user()?.join(format!(".simpleclaw-{name}")))
        }
        (Some(_), _) => {
            Err(Failure::usage("a profile's name is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit"))
        }
        (None, Some(path)) if !path.is_empty() => Ok(path.into()),
        (None, _) => Ok(user()?.join(".simpleclaw")),
    }
}

/// `--url`, else the running gateway's, else the default address.
pub fn url(global: &Global) -> Result<String, Failure> {
    if let Some(url) = &global.url {
        return Ok(url.clone());
    }
    let lock = std::fs::read(home(global)?.join("gateway.lock")).ok();
    let lock = lock.and_then(|bytes| serde_json::from_slice::<Lock>(&bytes).ok());
    Ok(lock.map_or_else(|| format!("ws://127.0.0.1:{DEFAULT_PORT}"), |lock| lock.url))
}

/// The token of `--token-file`, else of the home.
pub fn token(global: &Global) -> Result<Token, Failure> {
    let path = match &global.token_file {
        Some(path) => path.clone(),
        None => home(global)?.join("token"),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(AUTH, "UNAUTHENTICATED", format!("no token in {}: {error}", path.display()))
            .remedy("The gateway makes it at its first start; elsewhere, copy it and name it with --token-file.")
    })?;
    Ok(Token::new(text))
}
