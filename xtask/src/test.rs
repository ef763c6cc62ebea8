//! `test`: set up, then every check and test of this platform, each a named step. A step that fails stops no other.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::setup::{self, Part};
use crate::{cmd, ui};

mod browser;
mod elsewhere;
mod rust;

#[derive(clap::Args)]
pub struct Args {
    /// Without licences, unused dependencies, doc tests, the browser, the desktop and the real model
    #[arg(long)]
    fast: bool,
    /// Only tests in Rust whose name contains this
    filter: Option<String>,
}

/// What became of one step, for the table at the end.
struct Step {
    name: &'static str,
    took: Duration,
    error: Option<String>,
}

/// Runs steps one after the other.
struct Steps(Vec<Step>);

impl Steps {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<()>) {
        println!("\n== {name}");
        let started = Instant::now();
        let error = work().err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            println!("FAILED: {error}");
        }
        self.0.push(Step { name, took: started.elapsed(), error });
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = crate::root()?;
    let mut steps = Steps(Vec::new());
    let mut tests = rust::Counts::default();
    if let Some(filter) = &args.filter {
        // What is asked for may need any of it.
        setup::run(&parts(&root, false)?)?;
        steps.step("rust tests", || rust::run(&root, Some(filter), args.fast, &mut tests));
    } else {
        setup::run(&parts(&root, args.fast)?)?;
        checks(&root, args.fast, &mut steps);
        steps.step("rust tests", || rust::run(&root, None, args.fast, &mut tests));
        if !args.fast {
            steps.step("tests that need another platform", || elsewhere::list(&root));
            steps.step("doc tests", || {
                cmd::run(offline(&mut cmd::cargo(&root)).args(["test", "--workspace", "--doc", "--locked", "--quiet"]))
            });
            steps.step("fuzzing, a little", || crate::fuzz::run(&crate::fuzz::Args::default()));
            if ui::exists(&root) && ui::has_script(&root, "e2e")? {
                steps.step("ui in a browser", || browser::run(&root, None));
            }
        }
    }
    report(&steps.0, &tests)
}

/// Takes the pictures of the web UI in `docs/images` anew.
pub fn pictures() -> anyhow::Result<()> {
    let root = crate::root()?;
    setup::run(&[Part::Browser])?;
    ui::build_if_stale(&root)?;
    cmd::run(cmd::cargo(&root).args(["build", "--locked", "--package", "simpleclaw"]))?;
    browser::run(&root, Some(&root.join("docs/images")))
}

/// What set-up has to bring for the tests that this checkout has.
fn parts(root: &Path, fast: bool) -> anyhow::Result<Vec<Part>> {
    let mut parts = vec![Part::Test, Part::Desktop];
    if !fast {
        parts.push(Part::Model);
        if ui::exists(root) && ui::has_script(root, "e2e")? {
            parts.push(Part::Browser);
        }
    }
    Ok(parts)
}

/// All that is not a test: style, lints, generated files, dependencies, and the UI's own.
fn checks(root: &Path, fast: bool, steps: &mut Steps) {
    let cargo = || cmd::cargo(root);
    steps.step("fmt", || cmd::run(cargo().args(["fmt", "--all", "--check"])));
    if ui::exists(root) {
        steps.step("schemas and types", || crate::schemas::run(true));
        steps.step("ui types and lints", || cmd::run(cmd::npm(root).args(["run", "check"])));
        steps.step("ui tests", || cmd::run(cmd::npm(root).args(["test"])));
        // Before the Rust tests, because the gateway that they start serves it.
        steps.step("ui build", || ui::build_if_stale(root));
    }
    steps.step("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
        cmd::run(offline(&mut cargo()).args(args))
    });
    steps.step("no second crypto library", || absent(root, "aws-lc-sys"));
    if !fast {
        steps.step("licences, bans, sources", || {
            let deny = setup::tool(root, "cargo-deny")?;
            // Duplicates are warnings: shown by the command itself, noise here.
            let args = ["--offline", "--log-level", "error", "check", "--hide-inclusion-graph"];
            cmd::run(Command::new(deny).current_dir(root).args(args).args(["licenses", "bans", "sources"]))
        });
        steps.step("unused dependencies", || {
            let machete = setup::tool(root, "cargo-machete")?;
            cmd::run(Command::new(machete).current_dir(root).args(["--skip-target-dir", "."]))
        });
    }
}

/// Fails if a crate is linked into anything, on any platform, with any features.
fn absent(root: &Path, name: &str) -> anyhow::Result<()> {
    let args = ["tree", "--workspace", "--all-features", "--target", "all", "--locked", "--invert", name];
    let output = offline(&mut cmd::cargo(root)).args(args).output().context("starting `cargo tree`")?;
    let (found, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The one says that it is not in the lock file, the other that no feature brings it in.
    if found.trim().is_empty() && (words.contains("did not match any packages") || words.contains("nothing to print")) {
        println!("{name} is not in the tree");
        return Ok(());
    }
    bail!("{name} must not be in the tree, and cargo says:\n{found}{words}");
}

/// After set-up nothing needs the network, and this makes cargo prove it.
fn offline(command: &mut Command) -> &mut Command {
    command.env("CARGO_NET_OFFLINE", "true").stdin(Stdio::null())
}

/// The table, and as the very last line the sum: each Rust test counts, and each other step as one.
fn report(steps: &[Step], tests: &rust::Counts) -> anyhow::Result<()> {
    println!("\n== all steps");
    for step in steps {
        let outcome = if step.error.is_none() { "ok" } else { "FAILED" };
        println!("{outcome:<7}{:>8.1} s  {}", step.took.as_secs_f64(), step.name);
    }
    let failed: Vec<&Step> = steps.iter().filter(|step| step.error.is_some()).collect();
    if !failed.is_empty() {
        println!("\n== failed");
        for step in &failed {
            println!("{}: {}", step.name, step.error.as_deref().unwrap_or_default());
        }
    }
    let (passed, lost) = sum(steps, tests);
    println!("\n{passed} passed, {lost} failed");
    if !failed.is_empty() {
        // No second message after that line.
        std::process::exit(1);
    }
    Ok(())
}

fn sum(steps: &[Step], tests: &rust::Counts) -> (usize, usize) {
    // The step of the Rust tests counts by itself only where no single test explains its failure.
    let counted = |step: &&Step| step.name != "rust tests" || (step.error.is_some() && tests.failed == 0);
    let failed = steps.iter().filter(counted).filter(|step| step.error.is_some()).count();
    let passed = steps.iter().filter(counted).count() - failed;
    (passed + tests.passed, failed + tests.failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, ok: bool) -> Step {
        Step { name, took: Duration::ZERO, error: (!ok).then(|| "why".to_owned()) }
    }

    #[test]
    fn every_test_and_every_other_step_counts_once() {
        let counts = |passed, failed| rust::Counts { passed, failed };
        let green = [step("fmt", true), step("rust tests", true)];
        assert_eq!(sum(&green, &counts(7, 0)), (8, 0));
        let red = [step("fmt", false), step("rust tests", false)];
        assert_eq!(sum(&red, &counts(5, 2)), (5, 3));
        let does_not_compile = [step("fmt", true), step("rust tests", false)];
        assert_eq!(sum(&does_not_compile, &counts(0, 0)), (1, 1));
    }
}
