//! What a home knows of its secrets in the key store: their names, since no key store lists them everywhere, and under
//! what they stand there. Holds no secret of anyone; `state/secrets.json`, 0600.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::home::{hex, write_private};

/// More than this in the file is not ours.
const MAX_BYTES: u64 = 1024 * 1024;
/// Most names that are kept.
pub const MAX_NAMES: usize = 1000;

#[derive(Clone)]
pub struct Index {
    path: PathBuf,
    content: Content,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    /// Keeps apart what several homes have in one key store; goes with the home where it is moved.
    home: String,
    /// Key of the hashes that stand for values in the database.
    hash_key: String,
    names: BTreeSet<String>,
}

impl Index {
    /// What is there; new where nothing is, and written at the first change. A damaged one is moved aside: its names
    /// are lost, and the secrets have to be set again.
    pub fn open(path: &Path) -> Self {
        let content = match read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::new(),
            Err(error) => {
                let aside = path.with_extension("json.damaged");
                let moved = std::fs::rename(path, &aside);
                tracing::error!(
                    target: "diagnostic",
                    source = "secrets",
                    code = "secrets.index_damaged",
                    path = %path.display(),
                    aside = %aside.display(),
                    moved = moved.is_ok(),
                    %error,
                    "the list of the secrets in the key store cannot be read and was moved aside; set them again with `simpleclaw secrets set NAME`"
                );
                Content::new()
            }
        };
        Self { path: path.to_owned(), content }
    }

    /// This home's part of the key store.
    pub fn home(&self) -> &str {
        &self.content.home
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.content.names.iter().map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.content.names.contains(name)
    }

    /// The index with a name more; it counts once it is written.
    pub fn with(&self, name: &str) -> io::Result<Self> {
        let mut next = self.clone();
        next.content.names.insert(name.to_owned());
        next.written()
    }

    pub fn without(&self, name: &str) -> io::Result<Self> {
        let mut next = self.clone();
        next.content.names.remove(name);
        next.written()
    }

    /// What stands for a value where it is only compared, over starts too: nobody who has the database alone can try
    /// values against it.
    pub fn hash(&self, value: &str) -> io::Result<String> {
        if !self.path.exists() {
            self.clone().written()?;
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.content.hash_key.as_bytes()).map_err(|_| io::Error::other("no key"))?;
        mac.update(value.as_bytes());
        Ok(hex(&mac.finalize().into_bytes()))
    }

    fn written(self) -> io::Result<Self> {
        write_private(&self.path, serde_json::to_string(&self.content)?.as_bytes())?;
        Ok(self)
    }
}

impl Content {
    fn new() -> Self {
        Self {
            home: hex(&rand::random::<[u8; 16]>()),
            hash_key: hex(&rand::random::<[u8; 32]>()),
            names: BTreeSet::new(),
        }
    }
}

fn read(path: &Path) -> io::Result<Content> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES).read_to_string(&mut text)?;
    // Its own words may quote the text.
    serde_json::from_str(&text).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not what was written"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::home::tests::mode;

    #[test]
    fn names_and_hashes_outlive_a_start() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.json");
        let index = Index::open(&path);
        assert!(!path.exists(), "nothing is written before there is something to say");
        let hash = index.hash("hunter2").expect("hashes");
        let index = index.with("work").expect("writes");
        assert_eq!(mode(&path), 0o600);
        let again = Index::open(&path);
        assert_eq!((again.home(), again.hash("hunter2").expect("hashes")), (index.home(), hash.clone()));
        assert!(again.has("work") && !again.has("other"));
        assert_ne!(again.hash("hunter3").expect("hashes"), hash);
        assert_eq!(again.without("work").expect("writes").names().count(), 0);
        let text = std::fs::read_to_string(&path).expect("is there");
        assert!(!text.contains("hunter"), "{text}");
        let other = Index::open(&folder.path().join("other.json"));
        assert_ne!(other.hash("hunter2").expect("hashes"), hash, "every home has its own key");
    }

    #[test]
    fn a_damaged_one_is_moved_aside() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("secrets.json");
        for text in ["", "{", "[]", "{\"home\": 1}"] {
            std::fs::write(&path, text).expect("writes");
            assert_eq!(Index::open(&path).names().count(), 0);
            assert!(!path.exists());
            assert_eq!(std::fs::read_to_string(path.with_extension("json.damaged")).expect("is there"), text);
        }
    }
}
