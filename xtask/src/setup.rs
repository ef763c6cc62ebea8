//! `setup`: installs what is missing, after saying what and why. Quick where nothing is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use crate::{cmd, ui};

mod node;
mod python;
mod system;
mod tools;

pub use python::MODEL;

/// The oldest Node that Vite 8 runs on.
const NODE: (u32, u32) = (20, 19);

/// What a checkout can be prepared for beyond building the headless gateway and the UI.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Building and testing the tray app: WebKit, a virtual display, a window manager
    Desktop,
    /// Tests of the UI in a browser
    Browser,
    /// Tests with a real language model: its server and the model, about 300 MB
    Model,
    /// Tests and checks: nextest, cargo-deny, cargo-machete, the Python clients
    Test,
}

pub fn run(parts: &[Part]) -> anyhow::Result<()> {
    let root = crate::root()?;
    system::install(parts)?;
    packages_of_ui(&root)?;
    if parts.contains(&Part::Test) {
        tools::install(&root)?;
        node::install(&root)?;
    }
    if parts.contains(&Part::Test) || parts.contains(&Part::Model) {
        python::install(&root, parts.contains(&Part::Model))?;
    }
    Ok(())
}

/// The path of a helper that `setup --with test` brings.
pub fn tool(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    tools::find(root, name).with_context(|| format!("{name} is missing; `cargo xtask setup --with test` brings it"))
}

/// Where a script finds the packages of the README's JavaScript client.
pub fn node_folder(root: &Path) -> PathBuf {
    root.join("target/node")
}

/// The Python of the environment for tests.
pub fn python(root: &Path) -> PathBuf {
    python::program(&root.join("target/venv"))
}

fn packages_of_ui(root: &Path) -> anyhow::Result<()> {
    if !ui::exists(root) {
        return Ok(());
    }
    let found = cmd::output(std::process::Command::new("node").arg("--version"));
    let wanted = format!("Node {}.{} or newer is needed for the web UI", NODE.0, NODE.1);
    let Some(found) = found else { bail!("{wanted}, and `node` is not on the PATH; see https://nodejs.org") };
    let version = node_version(&found).with_context(|| format!("`node --version` printed {found:?}"))?;
    if version < NODE {
        bail!("{wanted}; this one is {found}");
    }
    if ui::packages_are_stale(root) {
        println!("setup: the UI's packages are missing or older than ui/package-lock.json");
        cmd::run(cmd::npm(root).args(["ci", "--no-audit", "--no-fund"]))?;
    }
    Ok(())
}

fn node_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix('v')?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_are_read() {
        assert_eq!(node_version("v20.20.2"), Some((20, 20)));
        assert_eq!(node_version("v9.1.0"), Some((9, 1)));
        assert_eq!(node_version("20.20.2"), None);
        assert_eq!(node_version("v20"), None);
    }
}
