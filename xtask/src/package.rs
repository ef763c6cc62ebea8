//! `package`: what people install, made by the Tauri CLI from `tauri.conf.json` for the system that this runs on.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

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
    // In the root, where the CLI finds its configuration beside the package that it builds.
    let name = if cfg!(windows) { "tauri.cmd" } else { "tauri" };
    let mut tauri = Command::new(root.join("ui/node_modules/.bin").join(name));
    cmd::run(tauri.current_dir(&root).args(["build", "--bundles", bundles, "--", "--locked"]))?;
    println!();
    for folder in folders {
        print_files(&root.join("target/release/bundle").join(folder))?;
    }
    Ok(())
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
