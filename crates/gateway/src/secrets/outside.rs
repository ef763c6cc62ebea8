//! Secrets that the gateway only reads: `{env: NAME}` and `{file: path}`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use simpleclaw_protocol::methods::secrets::MAX_SECRET_BYTES;

use crate::config::Secret;

pub fn from_variable(name: &str) -> Result<Secret, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text)),
        _ => Err(format!("the environment variable {name} is not set; set it for the gateway")),
    }
}

/// The file's text without the line break at its end.
pub fn from_file(path: &Path) -> Result<Secret, String> {
    let text = read(path).map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty; put the secret into it", path.display())),
        secret if secret.len() > MAX_SECRET_BYTES => {
            Err(format!("{} is too large for a secret: at most 64 KiB", path.display()))
        }
        secret => Ok(Secret::new(secret)),
    }
}

fn read(path: &Path) -> io::Result<String> {
    // Asked before it is opened: opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is no file"));
    }
    let mut text = String::new();
    File::open(path)?.take(MAX_SECRET_BYTES as u64 + 3).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn found_or_missing_in_words_without_the_value() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).expect("writes");
        write("key", b"from-file\r\n");
        write("empty", b"\n");
        write("bytes", b"hunter2\xff");
        write("most", &[b'x'; MAX_SECRET_BYTES]);
        write("large", &[b'x'; MAX_SECRET_BYTES + 1]);
        let from = |name: &str| from_file(&folder.path().join(name));
        assert_eq!(from("key").expect("is there").expose(), "from-file");
        assert_eq!(from("most").expect("is there").expose().len(), MAX_SECRET_BYTES);
        for (name, words) in [
            ("empty", "is empty"),
            ("absent", "cannot read the secret in"),
            (".", "cannot read the secret in"),
            ("bytes", "cannot read the secret in"),
            ("large", "is too large"),
        ] {
            let error = from(name).expect_err(name);
            assert!(error.contains(words) && !error.contains("hunter2"), "{name}: {error}");
        }
        assert_eq!(from_variable("CARGO_PKG_NAME").expect("is set").expose(), "simpleclaw-gateway");
        let error = from_variable("SIMPLECLAW_SURELY_NOT_SET").expect_err("is not set");
        assert!(error.contains("SIMPLECLAW_SURELY_NOT_SET is not set"), "{error}");
    }
}
