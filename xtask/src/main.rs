//! Chores of the project. `cargo xtask --help` lists them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

mod schemas;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the SimpleClaw project")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Write schemas/ and the UI's TypeScript types from the Rust types
    Schemas {
        /// Change nothing; fail if something is not up to date
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Schemas { check } => schemas::run(check),
    }
}

/// The root of the checkout.
fn root() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the checkout")?;
    Ok(root.to_path_buf())
}
