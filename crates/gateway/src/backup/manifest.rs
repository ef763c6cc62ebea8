//! What a backup holds, as its last file says it.

use serde::{Deserialize, Serialize};
use simpleclaw_protocol::Timestamp;

use super::BackupError;

/// The form of backups that this version writes; it reads none that is newer.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u32,
    pub created_at: Timestamp,
    /// Of the program that wrote it.
    pub version: String,
    /// Schema of the database; 0 where there was none.
    pub schema: i64,
    /// Whether the token, `secrets.yaml`, and secrets that stand in the configuration as text are in it.
    pub secrets: bool,
    /// In the order in which they lie in the file.
    pub files: Vec<FileEntry>,
    /// What lay among them and is not in it, or not as a whole.
    pub left_out: Vec<LeftOut>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Below the home, with `/`.
    pub path: String,
    pub size_bytes: u64,
    /// Hex, lower case.
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    pub path: String,
    pub reason: String,
}

/// Only as much as every form will have.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

impl Manifest {
    pub fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        let no_manifest = |error: serde_json::Error| BackupError::Damaged(format!("its manifest is none: {error}"));
        let form: Form = serde_json::from_slice(bytes).map_err(no_manifest)?;
        if form.format > FORMAT {
            return Err(BackupError::Refused(format!(
                "this backup was written by a newer version of SimpleClaw (form {}); install that version or newer",
                form.format
            )));
        }
        serde_json::from_slice(bytes).map_err(no_manifest)
    }

    /// All bytes of all files.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}
