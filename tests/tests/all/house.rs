//! The house as `ARCHITECTURE.md` draws it: which crate may know which, and which module may see what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate and all that it may depend on within the workspace.
const EDGES: [(&str, &[&str]); 10] = [
    ("simpleclaw-protocol", &[]),
    ("simpleclaw-adapters", &[]),
    ("simpleclaw-gateway", &["simpleclaw-protocol", "simpleclaw-adapters"]),
    ("simpleclaw-client", &["simpleclaw-protocol"]),
    ("simpleclaw", &["simpleclaw-protocol", "simpleclaw-gateway", "simpleclaw-client"]),
    ("simpleclaw-desktop", &["simpleclaw-protocol", "simpleclaw-gateway", "simpleclaw-client", "simpleclaw-tests"]),
    ("simpleclaw-tests", &["simpleclaw-protocol", "simpleclaw-gateway", "simpleclaw-client"]),
    ("simpleclaw-fuzz", &["simpleclaw-protocol", "simpleclaw-gateway"]),
    ("simpleclaw-bench", &["simpleclaw-protocol", "simpleclaw-client"]),
    ("xtask", &["simpleclaw-protocol"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout").to_owned()
}

/// Only the edges of the drawing exist.
#[test]
fn crates_know_only_whom_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let allowed: BTreeMap<_, BTreeSet<_>> =
        EDGES.into_iter().map(|(name, edges)| (name, edges.iter().copied().collect())).collect();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let may = allowed.get(name).unwrap_or_else(|| panic!("{name} has no row in this test"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            assert!(!dependency["path"].is_string() || may.contains(on), "{name} must not depend on {on}");
        }
    }
}

/// Frames are seen by `rpc` and `server` alone, and Tauri by the tray app alone.
#[test]
fn modules_see_only_what_they_may() {
    for file in sources(&root().join("crates")) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let place = file.strip_prefix(root()).expect("in the checkout").display().to_string();
        assert!(!text.contains("tauri::"), "{place} uses Tauri");
        let inside = place.strip_prefix("crates/gateway/src/");
        if inside.is_some_and(|inside| !inside.starts_with("server/") && !inside.starts_with("rpc/")) {
            assert!(!text.contains("protocol::frame"), "{place} sees frames");
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
