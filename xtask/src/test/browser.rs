//! The UI's tests in a real browser, against a real gateway with a home of its own.

use std::path::Path;

use anyhow::{Context as _, bail};

use crate::{children, cmd};

/// Starts the gateway that the Rust tests were built with, and runs `npm run e2e` on it. With `pictures`, only what takes
/// the pictures of the docs, into that folder.
pub fn run(root: &Path, pictures: Option<&Path>) -> anyhow::Result<()> {
    let home = match pictures {
        // A picture shows where it is. Not ours to remove where it is there already.
        Some(_) => std::env::temp_dir().join("simpleclaw"),
        None => root.join("target/browser-home"),
    };
    if home.exists() {
        if pictures.is_some() {
            bail!("{} is there already: remove it, or set TMPDIR to another folder", home.display());
        }
        std::fs::remove_dir_all(&home).context("removing the home of the last run")?;
    }
    let name = format!("simpleclaw{}", std::env::consts::EXE_SUFFIX);
    let mut gateway = std::process::Command::new(root.join("target/debug").join(name));
    gateway.args(["gateway", "run", "--port", "0", "--json"]).env("SIMPLECLAW_HOME", &home);
    let stop = children::stop_requests()?;
    let (mut child, first) = children::start_gateway(&mut gateway, &stop)?;
    let tested = test(root, &home, first["url"].as_str().unwrap_or_default(), pictures);
    children::end(&mut child)?;
    if pictures.is_some() {
        std::fs::remove_dir_all(&home).context("removing the home of the pictures")?;
    }
    tested
}

fn test(root: &Path, home: &Path, url: &str, pictures: Option<&Path>) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(home.join("token")).context("the token of the gateway")?;
    let url = url.replacen("ws", "http", 1);
    let mut tests = cmd::npm(root);
    tests.args(["run", "e2e"]).env("SIMPLECLAW_URL", url).env("SIMPLECLAW_TOKEN", token.trim());
    if let Some(folder) = pictures {
        tests.env("SIMPLECLAW_PICTURES", folder);
    }
    // Where they edit its file as a person does.
    cmd::run(tests.env("SIMPLECLAW_HOME", home))
}
