//! Standard output and standard error. With `--json`, standard output carries JSON and nothing else.

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::failure::{Failure, INTERRUPTED};

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// The result of a command: itself as one line of JSON, or what `show` makes of it.
    pub fn payload(self, value: &Value, show: impl FnOnce(&Value) -> Result<String, Failure>) -> Result<(), Failure> {
        match self.json {
            true => self.text(&format!("{value}\n")),
            false => self.text(&format!("{}\n", show(value)?)),
        }
        Ok(())
    }

    /// Prints at once. A reader that has gone (`| head`) is no failure of ours.
    pub fn text(self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// The last words of a command that failed.
    pub fn failure(self, failure: &Failure) {
        if failure.told {
            return;
        }
        if self.json {
            self.text(&format!("{}\n", json!({ "error": failure.error() })));
        } else if failure.exit != INTERRUPTED {
            self.note(&format!("error: {}", sentence(&failure.message)));
            if let Some(remedy) = failure.remedy {
                self.note(remedy);
            }
        }
    }

    /// A line for people, on standard error.
    pub fn note(self, text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// With a full stop, so that a remedy can follow.
fn sentence(text: &str) -> String {
    match text.ends_with(['.', '!', '?']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

/// Colours for a state's word, where a person looks at it.
pub fn paint(word: &str, colour: Colour) -> String {
    let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match wanted {
        true => format!("\x1b[{}m{word}\x1b[0m", colour as u8),
        false => word.to_owned(),
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Grey = 90,
}
