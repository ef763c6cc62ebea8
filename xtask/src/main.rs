//! Chores of the project. `cargo xtask --help` lists them.

// No runtime here, and nothing whose behaviour tests would have to turn the clock for.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

mod bench;
mod check_platforms;
mod children;
mod cmd;
mod dev;
mod fuzz;
mod package;
mod run;
mod schemas;
mod setup;
mod test;
mod ui;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the SimpleClaw project")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what is missing for building, and with --with for more
    Setup {
        /// What else to prepare for, separated by commas
        #[arg(long, value_enum, value_delimiter = ',')]
        with: Vec<setup::Part>,
    },
    /// Set up, build and start SimpleClaw, and print its address
    Run(run::Args),
    /// Gateway and UI with reload on each change
    Dev,
    /// Set up and run every check and test of this platform
    Test(test::Args),
    /// Measure a release build against the budgets, beside a bare echo server
    Bench(bench::Args),
    /// Throw bytes at everything that takes them from outside, driven by coverage
    Fuzz(fuzz::Args),
    /// Installers of this platform: deb and rpm, dmg, or NSIS
    Package,
    /// Type-check everything for Windows and macOS; on Debian, about 160 MB of packages the first time
    CheckPlatforms,
    /// Take the pictures of the web UI in docs/images anew
    Pictures,
    /// Write schemas/ and the UI's TypeScript types from the Rust types
    Schemas {
        /// Change nothing; fail if something is not up to date
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Setup { with } => setup::run(&with),
        Chore::Run(args) => run::run(&args),
        Chore::Dev => dev::run(),
        Chore::Test(args) => test::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Package => package::run(),
        Chore::CheckPlatforms => check_platforms::run(),
        Chore::Pictures => test::pictures(),
        Chore::Schemas { check } => schemas::run(check),
    }
}

/// The root of the checkout.
fn root() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the checkout")?;
    Ok(root.to_path_buf())
}
