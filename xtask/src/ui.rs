//! The web UI: its packages and its build.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::cmd;

/// A checkout may come without the UI; the gateway builds without it too.
pub fn exists(root: &Path) -> bool {
    root.join("ui/package.json").is_file()
}

pub fn has_script(root: &Path, name: &str) -> anyhow::Result<bool> {
    let manifest = std::fs::read_to_string(root.join("ui/package.json")).context("reading ui/package.json")?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest).context("ui/package.json is not JSON")?;
    Ok(manifest["scripts"][name].is_string())
}

/// npm writes this file last, so it is older than the lock file exactly when `npm ci` is due.
pub fn packages_are_stale(root: &Path) -> bool {
    let installed = modified(&root.join("ui/node_modules/.package-lock.json"));
    installed.is_none() || installed < modified(&root.join("ui/package-lock.json"))
}

/// Builds `ui/dist` if a source is newer than it.
pub fn build_if_stale(root: &Path) -> anyhow::Result<()> {
    if !exists(root) {
        println!("no ui/ in this checkout: built without it");
        return Ok(());
    }
    // Written last, and by the same build.
    let built = modified(&root.join("ui/dist-gz/index.html.gz"));
    if built.is_some() && built > newest_source(&root.join("ui")) {
        return Ok(());
    }
    cmd::run(cmd::npm(root).args(["run", "build"]))
}

fn newest_source(folder: &Path) -> Option<SystemTime> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| match entry.file_name().to_str()? {
            "node_modules" | "dist" | "dist-gz" | "e2e" | "test-results" => None,
            _ if entry.path().is_dir() => newest_source(&entry.path()),
            _ => modified(&entry.path()),
        })
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
