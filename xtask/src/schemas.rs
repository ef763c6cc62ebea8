//! `schemas`: JSON Schemas from the Rust types, TypeScript from the schemas.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::cmd;

/// Writes every generated file, or with `check` names the ones that are stale.
pub fn run(check: bool) -> anyhow::Result<()> {
    let root = crate::root()?;
    let mut stale = Vec::new();
    let folder = root.join("schemas");
    let mut wanted = BTreeMap::new();
    for (path, content) in simpleclaw_protocol::schema::files() {
        wanted.insert(folder.join(path), format!("{}\n", serde_json::to_string_pretty(&content)?));
    }
    wanted.insert(folder.join("config.schema.json"), config(&root)?);
    for (path, text) in &wanted {
        if std::fs::read_to_string(path).ok().as_ref() != Some(text) {
            stale.push(path.clone());
            if !check {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
            }
        }
    }
    for sub in ["methods", "events"] {
        for entry in std::fs::read_dir(folder.join(sub)).into_iter().flatten() {
            let path = entry?.path();
            if !wanted.contains_key(&path) {
                if !check {
                    std::fs::remove_file(&path)?;
                }
                stale.push(path);
            }
        }
    }
    typescript(&root, check)?;
    if check && !stale.is_empty() {
        bail!("stale: {stale:?}; run `cargo xtask schemas`");
    }
    println!("schemas: {} files, {} changed", wanted.len(), stale.len());
    Ok(())
}

/// The configuration's schema comes from the gateway, which would make every chore wait for its compilation if it were
/// linked here. Built with the whole workspace in view, so that its dependencies are the ones of every other step.
fn config(root: &Path) -> anyhow::Result<String> {
    cmd::run(cmd::cargo(root).args(["build", "--quiet", "--workspace", "--example", "config_schema"]))?;
    let program = format!("target/debug/examples/config_schema{}", std::env::consts::EXE_SUFFIX);
    let output = Command::new(root.join(program)).output().context("running the example config_schema")?;
    if !output.status.success() {
        bail!("the configuration's schema could not be made: {}", output.status);
    }
    String::from_utf8(output.stdout).context("a schema is UTF-8")
}

fn typescript(root: &Path, check: bool) -> anyhow::Result<()> {
    let script = root.join("ui/scripts/types.mjs");
    let mut command = Command::new("node");
    command.arg(&script).current_dir(root.join("ui"));
    if check {
        command.arg("--check");
    }
    let status = command.status().context("node is needed to write the TypeScript types")?;
    if !status.success() {
        bail!("{} failed: {status}", script.display());
    }
    Ok(())
}
