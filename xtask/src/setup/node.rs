//! A folder in target/node in which the README's JavaScript client finds its one package. Tests only.

use std::path::Path;

use anyhow::Context as _;

use crate::cmd;

const CLIENT: &str = "ws@8";

pub fn install(root: &Path) -> anyhow::Result<()> {
    let folder = super::node_folder(root);
    if folder.join("node_modules/ws/package.json").is_file() {
        return Ok(());
    }
    println!("setup: the npm package {CLIENT} is missing (the README's JavaScript client)");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // With a manifest of its own, or npm would look for one further up.
    std::fs::write(folder.join("package.json"), "{\"private\": true}\n").context("writing its package.json")?;
    cmd::run(cmd::npm(root).current_dir(&folder).args(["install", CLIENT, "--no-audit", "--no-fund"]))
}
