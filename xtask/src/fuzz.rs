//! `fuzz`: the targets of `tests/fuzz` under libFuzzer, driven by coverage. They are built apart, because everything in
//! them is instrumented.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::cmd;

/// What libFuzzer needs to see the way that an input took; all of it is in stable rustc.
const INSTRUMENT: &str = "-Cpasses=sancov-module -Ccodegen-units=1 -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

#[derive(clap::Args)]
pub struct Args {
    /// Only targets whose name contains this
    target: Option<String>,
    /// For each target
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
}

const SECONDS: u32 = 10;

impl Default for Args {
    fn default() -> Self {
        Self { target: None, seconds: SECONDS }
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if !cfg!(target_os = "linux") {
        println!("fuzzing is set up for Linux only: nothing was run");
        return Ok(());
    }
    let root = crate::root()?;
    let program = build(&root)?;
    let names = cmd::output(&mut Command::new(&program)).context("asking for the targets")?;
    let wanted = |name: &&str| args.target.as_deref().is_none_or(|part| name.contains(part));
    let names: Vec<&str> = names.lines().filter(wanted).collect();
    if names.is_empty() {
        bail!("no target has that in its name");
    }
    for name in names {
        println!("fuzzing {name} for {} s", args.seconds);
        fuzz(&root, &program, name, args.seconds)?;
    }
    Ok(())
}

fn build(root: &Path) -> anyhow::Result<PathBuf> {
    let host = cmd::host()?;
    let mut cargo = cmd::cargo(root);
    // With a target named, build scripts and macros are not instrumented.
    cargo.args(["build", "--locked", "--package", "simpleclaw-fuzz", "--features", "engine", "--target", &host]);
    cargo.args(["--target-dir", "target/fuzz", "--config", "profile.dev.opt-level=1"]);
    cmd::run(cargo.env("RUSTFLAGS", INSTRUMENT))?;
    Ok(root.join("target/fuzz").join(host).join("debug/simpleclaw-fuzz"))
}

/// The corpus is kept, so that the next run begins where this one ended.
fn fuzz(root: &Path, program: &Path, name: &str, seconds: u32) -> anyhow::Result<()> {
    let corpus = root.join("target/fuzz/corpus").join(name);
    std::fs::create_dir_all(&corpus).with_context(|| format!("making {}", corpus.display()))?;
    let words = corpus.with_extension("dict");
    let found = root.join("target/fuzz").join(format!("{name}-"));
    let mut command = Command::new(program);
    command.arg(&corpus).args(["-rss_limit_mb=512", "-timeout=5", "-max_len=4096", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-dict={}", words.display())).arg(format!("-artifact_prefix={}", found.display()));
    let log = corpus.with_extension("log");
    let file = std::fs::File::create(&log).with_context(|| format!("making {}", log.display()))?;
    let status = command.env("SIMPLECLAW_FUZZ", name).stderr(file).status().context("starting the fuzzer")?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if !status.success() {
        let last: Vec<&str> = said.lines().rev().take(40).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{name}: an input was not survived; it is beside {}\n{}", found.display(), last.join("\n"));
    }
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    println!("{name}: {} inputs survived", runs.unwrap_or("?").trim());
    Ok(())
}
