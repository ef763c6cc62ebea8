//! `bench`: builds the gateway and the measuring program optimised, and runs the one on the other.

use std::ffi::OsString;

use crate::cmd;

#[derive(clap::Args)]
pub struct Args {
    /// `--quick`, names of groups of rows, or `--url URL --token-file FILE [--pid PID]` of a gateway that runs;
    /// `--help` tells more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = crate::root()?;
    // Together, so that what they share is compiled once.
    let packages = ["--package", "simpleclaw", "--package", "simpleclaw-bench"];
    cmd::run(cmd::cargo(&root).args(["build", "--locked", "--release"]).args(packages))?;
    let built = |name: &str| root.join("target/release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut command = std::process::Command::new(built("simpleclaw-bench"));
    cmd::run(command.arg("--program").arg(built("simpleclaw")).args(&args.args))
}
