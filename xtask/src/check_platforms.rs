//! `check-platforms`: type checks for Windows and macOS where rustup can fetch no target. Debian carries a compiler with
//! the sources of `std` (`rustc-web`), and with those cargo can check `std`, and everything above it, for any target.
//!
//! A type check, no link and no run: how the app behaves there stays for a machine of that kind to tell.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{cmd, ui};

const PACKAGES: &[&str] = &[
    "rustc-web",
    "rust-web-src",
    "libstd-rust-web-dev",
    "libstd-rust-web-1.96",
    "libllvm22",
    "libz3-4",
    "binutils-mingw-w64-x86-64",
];
const TARGETS: &[&str] = &["x86_64-pc-windows-gnu", "aarch64-apple-darwin"];

/// windres wants a preprocessor under this name.
const WINDOWS_CC: (&str, &str) = ("x86_64-w64-mingw32-gcc", "#!/bin/sh\nexec gcc \"$@\"\n");
/// In Apple's place: preprocesses for real, and writes an empty object where one is asked for.
const APPLE_CC: (&str, &str) = (
    "applecc",
    "#!/bin/sh\n\
     for a in \"$@\"; do [ \"$a\" = -E ] && exec gcc \"$@\"; done\n\
     while [ $# -gt 0 ]; do case \"$1\" in -o) : > \"$2\"; ok=1;; esac; shift; done\n\
     [ -n \"$ok\" ]\n",
);

pub fn run() -> anyhow::Result<()> {
    let root = crate::root()?;
    if cmd::find("apt-get").is_none() || cmd::find("dpkg").is_none() {
        bail!("this check takes its compiler from Debian's packages, and this system has no apt-get");
    }
    ui::build_if_stale(&root)?;
    let tools = root.join("target/check-platforms");
    let usr = tools.join("usr");
    if !usr.join("bin/rustc").exists() {
        unpack(&tools).inspect_err(|_| {
            // Half of a compiler would be taken for a whole one.
            let _ = std::fs::remove_dir_all(&tools);
        })?;
    }
    for target in TARGETS {
        cmd::run(&mut check(&root, &usr, target)?)?;
    }
    Ok(())
}

/// Unpacked beside the build and not installed: these packages conflict with others that bring a compiler.
fn unpack(tools: &Path) -> anyhow::Result<()> {
    let downloads = tools.join("downloads");
    std::fs::create_dir_all(&downloads)?;
    cmd::run(Command::new("apt-get").current_dir(&downloads).arg("download").args(PACKAGES))?;
    for entry in std::fs::read_dir(&downloads)? {
        cmd::run(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(tools))?;
    }
    std::fs::remove_dir_all(&downloads)?;
    let stand_ins = stand_ins(&tools.join("usr"));
    std::fs::create_dir_all(&stand_ins)?;
    for (name, script) in [WINDOWS_CC, APPLE_CC] {
        write_program(&stand_ins.join(name), script)?;
    }
    Ok(())
}

fn stand_ins(usr: &Path) -> PathBuf {
    usr.join("stand-ins")
}

fn write_program(path: &Path, script: &str) -> anyhow::Result<()> {
    std::fs::write(path, script).with_context(|| format!("writing {}", path.display()))?;
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

fn check(root: &Path, usr: &Path, target: &str) -> anyhow::Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [stand_ins(usr), usr.join("bin")].into_iter();
    let mut command = cmd::cargo(root);
    command
        .args(["check", "-Zbuild-std=std,panic_abort", "--workspace", "--locked", "--target", target])
        .args(["--exclude", "simpleclaw-tests", "--exclude", "xtask"])
        .arg("--target-dir")
        .arg(root.join("target/check-platforms/build"))
        .env("PATH", std::env::join_paths(folders.chain(std::env::split_paths(&path)))?)
        .env("LD_LIBRARY_PATH", std::env::join_paths([usr.join("lib/x86_64-linux-gnu"), usr.join("lib/llvm-22/lib")])?)
        .env("RUSTC", usr.join("bin/rustc"))
        // `-Z` on a compiler of the stable line.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CC_aarch64_apple_darwin", stand_ins(usr).join(APPLE_CC.0))
        .env("AR_aarch64_apple_darwin", "ar");
    Ok(command)
}
