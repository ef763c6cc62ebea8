//! What the operating system has to bring. Debian and its kin get it installed; elsewhere it is said in words.

use std::path::Path;
use std::process::Command;

use anyhow::bail;

use super::Part;
use crate::cmd;

/// Something that must be there, recognised by any one of `signs`.
struct Need {
    part: Part,
    why: &'static str,
    signs: &'static [Sign],
    /// The Debian package that brings it.
    apt: &'static str,
}

enum Sign {
    Program(&'static str),
    /// A library that pkg-config knows.
    Library(&'static str),
    /// A file or folder.
    Path(&'static str),
}

use Part::{Browser, Desktop, Test};
use Sign::{Library, Program};

/// Linux. There is no row for a C compiler: cargo has just linked this program with it.
#[rustfmt::skip]
const LINUX: &[Need] = &[
    Need { part: Desktop, why: "finding libraries while building", signs: &[Program("pkg-config")], apt: "pkg-config" },
    Need { part: Desktop, why: "the windows of the tray app", signs: &[Library("webkit2gtk-4.1")], apt: "libwebkit2gtk-4.1-dev" },
    Need { part: Desktop, why: "the tray app on the session bus", signs: &[Library("dbus-1")], apt: "libdbus-1-dev" },
];

/// Tests on Linux of the parts that are asked for.
#[rustfmt::skip]
const LINUX_TESTS: &[Need] = &[
    Need { part: Desktop, why: "a display for tests", signs: &[Program("Xvfb")], apt: "xvfb" },
    Need { part: Desktop, why: "a session bus for tests", signs: &[Program("dbus-run-session")], apt: "dbus-daemon" },
    Need { part: Desktop, why: "starting that bus under X", signs: &[Program("dbus-launch")], apt: "dbus-x11" },
    Need { part: Desktop, why: "driving the tray app's windows", signs: &[Program("WebKitWebDriver")], apt: "webkit2gtk-driver" },
    Need { part: Desktop, why: "keys and clicks in tests", signs: &[Program("xdotool")], apt: "xdotool" },
    Need { part: Desktop, why: "a window manager for tests", signs: &[Program("openbox")], apt: "openbox" },
    Need { part: Desktop, why: "looking at windows in tests", signs: &[Program("xprop")], apt: "x11-utils" },
    Need { part: Desktop, why: "screenshots in tests", signs: &[Program("import")], apt: "imagemagick" },
    Need { part: Desktop, why: "finding a window's processes in tests", signs: &[Program("pgrep")], apt: "procps" },
    Need { part: Desktop, why: "text in screenshots", signs: &[Sign::Path("/usr/share/fonts/truetype/dejavu"), Sign::Path("/usr/share/fonts/dejavu-sans-fonts")], apt: "fonts-dejavu-core" },
    Need { part: Browser, why: "tests of the UI", signs: &[Program("chromium"), Program("chromium-browser"), Program("google-chrome")], apt: "chromium" },
    Need { part: Test, why: "the Python clients of the README", signs: &[Program("python3")], apt: "python3" },
    Need { part: Test, why: "isolating commands", signs: &[Program("bwrap")], apt: "bubblewrap" },
    Need { part: Test, why: "recording what commands start", signs: &[Program("strace")], apt: "strace" },
    Need { part: Test, why: "the engine of the fuzzers", signs: &[Program("c++")], apt: "g++" },
];

/// macOS brings its own web view and display.
#[rustfmt::skip]
const MACOS: &[Need] = &[
    Need { part: Browser, why: "tests of the UI (`brew install --cask google-chrome`)", apt: "", signs: &[
        Sign::Path("/Applications/Google Chrome.app"), Sign::Path("/Applications/Chromium.app"),
    ] },
    Need { part: Test, why: "the Python clients of the README (`brew install python`)", signs: &[Program("python3")], apt: "" },
];

#[rustfmt::skip]
const WINDOWS: &[Need] = &[
    Need { part: Desktop, why: "the windows of the tray app (`winget install Microsoft.EdgeWebView2Runtime`)", apt: "", signs: &[
        Sign::Path(r"C:\Program Files (x86)\Microsoft\EdgeWebView\Application"),
    ] },
    Need { part: Browser, why: "tests of the UI (`winget install Google.Chrome`)", apt: "", signs: &[
        Sign::Path(r"C:\Program Files\Google\Chrome\Application\chrome.exe"),
    ] },
    Need { part: Test, why: "the Python clients of the README (`winget install Python.Python.3.12`)", signs: &[Program("python")], apt: "" },
];

pub fn install(parts: &[Part]) -> anyhow::Result<()> {
    let mut table: Vec<&Need> = match std::env::consts::OS {
        "linux" => LINUX.iter().collect(),
        "macos" => MACOS.iter().collect(),
        "windows" => WINDOWS.iter().collect(),
        other => bail!("SimpleClaw is built on Linux, macOS and Windows; this is {other}"),
    };
    if cfg!(target_os = "linux") && parts.contains(&Part::Test) {
        table.extend(LINUX_TESTS);
    }
    let missing: Vec<&Need> =
        table.into_iter().filter(|need| parts.contains(&need.part) && !need.signs.iter().any(is_there)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    println!("setup: missing on this system:");
    for need in &missing {
        println!("  {:<28} {}", need.apt, need.why);
    }
    if cmd::find("apt-get").is_none() {
        bail!("please install the above; only on Debian and Ubuntu does set-up install system packages itself");
    }
    apt(&missing.iter().map(|need| need.apt).collect::<Vec<_>>())
}

fn is_there(sign: &Sign) -> bool {
    match sign {
        Sign::Program(name) => cmd::find(name).is_some(),
        Sign::Library(name) => cmd::output(Command::new("pkg-config").args(["--exists", name])).is_some(),
        Sign::Path(path) => Path::new(path).exists(),
    }
}

/// Installs Debian packages, through sudo where this is not root.
pub fn apt(packages: &[&str]) -> anyhow::Result<()> {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let known = lists.into_iter().any(|list| list.file_name().to_string_lossy().contains("_Packages"));
    let install = || cmd::run(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages));
    if known && install().is_ok() {
        return Ok(());
    }
    // No package lists, or ones so old that what they name is gone.
    cmd::run(apt_get().arg("update"))?;
    install()
}

fn apt_get() -> Command {
    let root = cmd::output(Command::new("id").arg("-u")).is_some_and(|user| user == "0");
    let mut command = Command::new(if root { "env" } else { "sudo" });
    // As an argument, because sudo does not pass variables on.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    command
}
