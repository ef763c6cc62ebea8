//! The tests that do not run here, by name and with their reason. One without a reason is a test skipped in silence.
//!
//! Such a test is written `#[cfg_attr(not(target_os = "macos"), ignore = "needs macOS")]`: it compiles everywhere.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::rust;
use crate::cmd;

pub fn list(root: &Path) -> anyhow::Result<()> {
    let mut command = rust::nextest(root)?;
    command.args(["list", "--workspace", "--locked", "--message-format", "json"]);
    let listed = cmd::output(&mut command).context("`cargo nextest list` failed")?;
    let listed: serde_json::Value = serde_json::from_str(&listed).context("reading nextest's list")?;
    let reasons = reasons(root)?;
    let (mut lines, mut silent) = (Vec::new(), Vec::new());
    for name in ignored(&listed) {
        let function = name.rsplit("::").next().unwrap_or(&name);
        match reasons.get(function) {
            Some(reason) => lines.push(format!("{name}: {reason}")),
            None => silent.push(name),
        }
    }
    if lines.is_empty() {
        println!("none: every test in Rust runs here");
    }
    lines.iter().for_each(|line| println!("{line}"));
    if !silent.is_empty() {
        bail!("ignored without `ignore = \"needs …\"`: {}", silent.join(", "));
    }
    Ok(())
}

fn ignored(listed: &serde_json::Value) -> Vec<String> {
    let suites = listed["rust-suites"].as_object().into_iter().flatten();
    let cases = suites.flat_map(|(suite, value)| {
        let cases = value["testcases"].as_object().into_iter().flatten();
        cases.filter(|(_, case)| case["ignored"] == true).map(move |(name, _)| format!("{suite} {name}"))
    });
    cases.collect()
}

/// Function name → why it is ignored, from the sources: nextest does not know the reason.
fn reasons(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for folder in ["crates", "tests", "src-tauri", "xtask"] {
        read_folder(&root.join(folder), &mut found)?;
    }
    Ok(found)
}

fn read_folder(folder: &Path, found: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            read_source(&text, found);
        }
    }
    Ok(())
}

fn read_source(text: &str, found: &mut BTreeMap<String, String>) {
    let mut reason = None;
    for line in text.lines() {
        if let Some((_, rest)) = line.split_once("ignore = \"needs ") {
            reason = rest.split_once('"').map(|(reason, _)| format!("needs {reason}"));
        } else if let Some((_, rest)) = line.split_once("fn ")
            && let (Some(reason), Some((name, _))) = (reason.take(), rest.split_once('('))
        {
            found.insert(name.to_owned(), reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_belong_to_the_next_function() {
        let mut found = BTreeMap::new();
        let text = "#[tokio::test]\n#[cfg_attr(not(windows), ignore = \"needs Windows\")]\nasync fn job_object() {\n}\n\
                    #[test]\nfn plain() {}\n#[test]\n#[ignore]\nfn silent() {}";
        read_source(text, &mut found);
        assert_eq!(found, BTreeMap::from([("job_object".to_owned(), "needs Windows".to_owned())]));
    }

    #[test]
    fn ignored_tests_are_named_with_their_binary() {
        let listed = serde_json::json!({"rust-suites": {"gateway": {"testcases": {
            "sandbox::tests::job_object": {"ignored": true}, "runs": {"ignored": false},
        }}}});
        assert_eq!(ignored(&listed), ["gateway sandbox::tests::job_object"]);
    }
}
