//! cargo's helpers for tests, and the sources of every dependency.

use std::path::{Path, PathBuf};

use crate::cmd;

/// Name and version. Built here, because crates.io has sources only.
const TOOLS: &[(&str, &str, &str)] = &[
    ("cargo-nextest", "0.9.143", "runs the tests"),
    ("cargo-deny", "0.20.2", "checks licences, banned crates and sources"),
    ("cargo-machete", "0.9.2", "finds unused dependencies"),
];

pub fn install(root: &Path) -> anyhow::Result<()> {
    for (name, version, why) in TOOLS {
        if find(root, name).is_some() {
            continue;
        }
        println!("setup: building {name} {version} ({why}), once, a minute or two");
        // Not optimised: that costs minutes once, and would save seconds on each run.
        cmd::run(
            cmd::cargo(root)
                .args(["install", name, "--version", version, "--locked", "--quiet", "--root", "target/tools"])
                .args(["--profile", "dev", "--target-dir", "target/tools/build"])
                .args(["--config", "profile.dev.debug=false"]),
        )?;
    }
    let _ = std::fs::remove_dir_all(root.join("target/tools/build"));
    fetch(root)
}

/// A helper that set-up built, or one that was on the machine before.
pub fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let built = root.join("target/tools/bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if built.is_file() { Some(built) } else { cmd::find(name) }
}

/// Sources for every platform, so that the licence check sees them all and nothing after this needs the network.
fn fetch(root: &Path) -> anyhow::Result<()> {
    let offline = cmd::output(cmd::cargo(root).args(["fetch", "--locked", "--offline"]));
    if offline.is_some() {
        return Ok(());
    }
    println!("setup: fetching the sources of dependencies");
    cmd::run(cmd::cargo(root).args(["fetch", "--locked"]))
}
