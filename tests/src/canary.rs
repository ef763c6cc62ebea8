//! Secrets that a test plants, to be looked for wherever they must not be.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What every one starts with, so that most bytes are looked through for this alone.
const MARK: &str = "canary-";

#[derive(Default)]
pub struct Canaries {
    /// Where each was planted, and its text.
    planted: Vec<(String, String)>,
}

impl Canaries {
    /// A new one. Its text is the same in JSON, in YAML, in a URL and in a header.
    pub fn plant(&mut self, place: impl Into<String>) -> String {
        let text = format!("{MARK}{}", uuid::Uuid::new_v4());
        self.planted.push((place.into(), text.clone()));
        text
    }

    pub fn len(&self) -> usize {
        self.planted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.planted.is_empty()
    }

    /// Where those were planted that are in these bytes: as they are, in hexadecimal, or in base64.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        if !forms(MARK).iter().any(|form| contains(bytes, form)) {
            return vec![];
        }
        let found = self.planted.iter().filter(|(_, text)| forms(text).iter().any(|form| contains(bytes, form)));
        found.map(|(place, _)| place.as_str()).collect()
    }

    /// Fails where one is in a text.
    pub fn absent_from(&self, what: &str, bytes: &[u8]) {
        let found = self.found_in(bytes);
        assert!(found.is_empty(), "{what} holds what was planted as {found:?}");
    }

    /// Fails where one is in a file below a folder, but for these, which are to hold some.
    pub fn absent_below(&self, folder: &Path, but: &[PathBuf]) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => self.absent_below(&path, but),
                // A file that went meanwhile holds nothing.
                false if !but.contains(&path) => {
                    self.absent_from(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
                }
                false => {}
            }
        }
    }

    /// Fails where one is in the command line of any process of this machine.
    pub fn absent_from_command_lines(&self) {
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let path = entry.path().join("cmdline");
            if let Ok(line) = std::fs::read(&path) {
                self.absent_from(&path.display().to_string(), &line);
            }
        }
    }
}

/// The files below a folder that hold a text as it is, by their places in it.
pub fn holding(folder: &Path, text: &str) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if contains(&std::fs::read(&path).unwrap_or_default(), text) {
                found.push(path.strip_prefix(folder).expect("below it").display().to_string());
            }
        }
    }
    found.sort();
    found
}

fn contains(bytes: &[u8], form: &str) -> bool {
    bytes.windows(form.len()).any(|window| window == form.as_bytes())
}

fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned(), text.bytes().map(|byte| format!("{byte:02x}")).collect()];
    // Base64 depends on where in its three bytes a text starts; what its neighbours decide is cut off.
    for (shift, cut) in [(0, 0), (1, 2), (2, 3)] {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(text.as_bytes());
        let encoded = STANDARD.encode(shifted);
        forms.push(encoded[cut..encoded.len() - 4].to_owned());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_and_nothing_else() {
        let mut canaries = Canaries::default();
        let text = canaries.plant("here");
        let other = Canaries::default().plant("elsewhere");
        for shift in 0..4 {
            let around = format!("{}{text} and more", "x".repeat(shift));
            assert_eq!(canaries.found_in(around.as_bytes()), ["here"]);
            assert_eq!(canaries.found_in(STANDARD.encode(&around).as_bytes()), ["here"], "{shift}");
            let hex: String = around.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(canaries.found_in(hex.as_bytes()), ["here"]);
        }
        assert_eq!(canaries.found_in(other.as_bytes()), Vec::<&str>::new());
    }
}
