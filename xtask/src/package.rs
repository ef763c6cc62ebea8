//! `package`: what people install, made by the Tauri CLI from `tauri.conf.json` for the system that this runs on. The
//! command `simpleclaw` goes into it beside the tray app.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::setup::{self, Part};
use crate::{cmd, ui};

pub fn run() -> anyhow::Result<()> {
    let root = crate::root()?;
    let (bundles, folders): (&str, &[&str]) = match std::env::consts::OS {
        "linux" => ("deb,rpm", &["deb", "rpm"]),
        "macos" => ("dmg", &["dmg"]),
        "windows" => ("nsis", &["nsis"]),
        other => bail!("SimpleClaw is packaged on Linux, macOS and Windows; this is {other}"),
    };
    setup::run(&[Part::Desktop])?;
    ui::build_if_stale(&root)?;
    let with_command = serde_json::json!({ "bundle": { "externalBin": [command(&root)?] } }).to_string();
    // In the root, where the CLI finds its configuration beside the package that it builds.
    let name = if cfg!(windows) { "tauri.cmd" } else { "tauri" };
    let mut tauri = Command::new(root.join("ui/node_modules/.bin").join(name));
    cmd::run(tauri.current_dir(&root).args([
        "build",
        "--bundles",
        bundles,
        "--config",
        &with_command,
        "--",
        "--locked",
        // The workspace's default members leave the app out, and the CLI names a feature of it.
        "--package",
        "simpleclaw-desktop",
    ]))?;
    println!();
    for folder in folders {
        print_files(&root.join("target/release/bundle").join(folder))?;
    }
    Ok(())
}

/// Builds the command and puts it where the Tauri CLI looks for it: under the name that is given back, and the target's.
fn command(root: &Path) -> anyhow::Result<PathBuf> {
    cmd::run(cmd::cargo(root).args(["build", "--release", "--locked", "--package", "simpleclaw"]))?;
    let folder = root.join("target/package");
    std::fs::create_dir_all(&folder)?;
    let end = std::env::consts::EXE_SUFFIX;
    let built = root.join("target/release").join(format!("simpleclaw{end}"));
    std::fs::copy(&built, folder.join(format!("simpleclaw-{}{end}", cmd::host()?)))
        .with_context(|| built.display().to_string())?;
    Ok(folder.join("simpleclaw"))
}

fn print_files(folder: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let (path, file) = entry.map(|entry| (entry.path(), entry.metadata()))?;
        let file = file?;
        if file.is_file() {
            println!("{} ({:.1} MiB)", path.display(), file.len() as f64 / f64::from(1 << 20));
        }
    }
    Ok(())
}
