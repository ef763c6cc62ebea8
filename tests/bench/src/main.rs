//! Measures a release build of the gateway against the budgets of the design, beside a bare echo server in the same
//! minute. `cargo xtask bench` builds both and starts this. A figure past its budget says `short` and fails nothing.

// A measuring program: it owns its runtime and its tasks end with it, and it reads the real clock.
#![allow(clippy::disallowed_methods)]

mod echo;
mod model;
mod process;
mod rows;
mod seed;
mod socket;
mod stats;
mod table;
mod target;

use std::path::PathBuf;

use clap::Parser;

#[derive(Parser)]
#[command(about = "Measure the gateway against its budgets")]
struct Args {
    /// Measure a gateway that runs already, only with what needs no start, model or seeded history
    #[arg(long, requires = "token_file")]
    url: Option<String>,
    /// Its token
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Its process, for memory and time on the processor
    #[arg(long)]
    pid: Option<u32>,
    /// Fewer and shorter measurements
    #[arg(long)]
    quick: bool,
    /// The gateway's program
    #[arg(long)]
    program: Option<PathBuf>,
    /// Be the echo server: answer every message with so many bytes
    #[arg(long, hide = true)]
    echo: Option<usize>,
    /// Only groups of rows whose name contains this: start, size, idle, requests, send, stream, stop, cli, lists, curve
    filter: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(size) = args.echo {
        return echo::serve(size);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(rows::run(&args))
}
