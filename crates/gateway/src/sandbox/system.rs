//! Folders that belong to the system: every command may read them and run what is in them.

use std::path::Path;

pub const FOLDERS: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/run/current-system",
];

/// Whether a path lies in one of them.
pub fn holds(path: &Path) -> bool {
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}
