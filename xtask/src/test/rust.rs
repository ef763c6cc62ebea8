//! The Rust tests, by nextest.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::{cmd, setup};

/// As nextest's report says it.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
}

/// Tests that are slow by nature; the groups of the same names in .config/nextest.toml.
const NOT_FAST: &str = "not test(/(^|::)(desktop|real_model)::/)";

pub fn run(root: &Path, filter: Option<&str>, fast: bool, counts: &mut Counts) -> anyhow::Result<()> {
    let report = root.join("target/nextest/default/junit.xml");
    let _ = std::fs::remove_file(&report);
    let mut command = nextest(root)?;
    command.args(["run", "--workspace", "--locked", "--no-fail-fast"]);
    if fast {
        command.args(["-E", NOT_FAST]);
    }
    command.args(filter);
    let result = cmd::run(&mut command);
    // Without a report nothing was compiled, or nothing was asked for; the exit code tells which.
    if let Ok(text) = std::fs::read_to_string(&report) {
        *counts = read(&text).with_context(|| format!("no sums in {}", report.display()))?;
    }
    result
}

/// nextest with the paths that tests look for.
pub fn nextest(root: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(setup::tool(root, "cargo-nextest")?);
    command.arg("nextest").current_dir(root);
    super::offline(&mut command);
    command.env("SIMPLECLAW_TEST_PYTHON", setup::python(root));
    command.env("SIMPLECLAW_TEST_NODE", setup::node_folder(root));
    command.env("SIMPLECLAW_TEST_MODEL", root.join(setup::MODEL));
    Ok(command)
}

/// The sums on the root element of a JUnit report.
fn read(report: &str) -> Option<Counts> {
    let start = report.find("<testsuites ")?;
    let element = report[start..].split('>').next()?;
    let number = |name: &str| {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        rest.split('"').next()?.parse::<usize>().ok()
    };
    let failed = number("failures")? + number("errors")?;
    Some(Counts { passed: number("tests")?.checked_sub(failed)?, failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_of_a_report_are_read() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="9" failures="2" errors="1" uuid="…" time="0.5">
    <testsuite name="xtask" tests="1" disabled="0" errors="0" failures="0">"#;
        assert_eq!(read(report), Some(Counts { passed: 6, failed: 3 }));
        assert_eq!(read("<testsuites>"), None);
        assert_eq!(read(""), None);
    }
}
