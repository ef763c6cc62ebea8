//! Doors for the fuzzers and for tests that hold what was decided against what ran, in test builds only: the inner
//! functions that take bytes from outside, by themselves.

use std::path::{Path, PathBuf};

use simpleclaw_protocol::methods::{self, Lookup};
use simpleclaw_protocol::{Encoding, Request, codec};

use crate::approval::command::{Parsed, parse, resolve};
use crate::{approval, backup, config, server};

/// A frame, up to the point where its handler would run.
pub fn request(encoding: Encoding, bytes: &[u8]) {
    if let Ok(request) = Request::decode(encoding, bytes) {
        check(&request.method, &request.params);
    }
}

/// A method's name, a line break, and params in JSON.
pub fn params(bytes: &[u8]) {
    let Some((name, params)) = bytes.iter().position(|byte| *byte == b'\n').and_then(|at| bytes.split_at_checked(at))
    else {
        return;
    };
    if let (Ok(name), Ok(params)) = (std::str::from_utf8(name), codec::decode(Encoding::Json, params)) {
        check(name, &params);
    }
}

fn check(method: &str, params: &serde_json::Value) {
    if let Some(Lookup::Built { index, spec, .. }) = methods::lookup(method) {
        // Whatever it says, it says it in bounded time and without a panic.
        let _ = server::validate::params(index, spec, params);
    }
}

/// The tar of a backup, as it is below its compression.
pub fn backup(bytes: &[u8]) {
    backup::survive(bytes);
}

/// A configuration file.
pub fn config(bytes: &[u8]) {
    config::survive(bytes.to_vec());
}

/// The text of a command.
pub fn command(bytes: &[u8]) {
    approval::survive(bytes);
}

/// Lines that say what is in a folder, an empty line, and the text of a path. Not tried where there is no Unix.
pub fn paths(bytes: &[u8]) {
    #[cfg(unix)]
    crate::tool::survive(bytes);
    #[cfg(not(unix))]
    let _ = bytes;
}

/// What the tool `exec` makes of the text of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// This file, canonical, is started with these words and without a shell.
    Program { program: PathBuf, argv: Vec<String> },
    /// Text for a shell, and shown as that.
    Script,
    /// Nothing is started; why.
    Refused(String),
}

/// Looks for programs in the folders of `path`.
pub fn decided(text: &str, cwd: &Path, path: &[PathBuf]) -> Decided {
    match parse(text) {
        Parsed::Simple(argv) => match resolve(&argv, cwd, path, None) {
            Ok(command) => Decided::Program { program: command.program.path, argv: command.argv },
            Err(error) => Decided::Refused(error.to_string()),
        },
        Parsed::Shell => Decided::Script,
        Parsed::Refused(refusal) => Decided::Refused(refusal.to_string()),
    }
}

/// The text that is shown as this one line; `None` for what is never shown.
pub fn unescaped(shown: &str) -> Option<String> {
    approval::show::unescaped(shown)
}
