//! `sandbox-exec`: Apple's own walls, by a profile in their language. The command line tool is called deprecated and is
//! what browsers and build tools go on using.

use std::path::{Path, PathBuf};

use super::Confinement;

pub const PROGRAM: &str = "/usr/bin/sandbox-exec";

/// Read and run from.
pub const READABLE: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/System",
    "/Library",
    "/opt",
    "/etc",
    "/private/etc",
    "/dev",
    "/private/var/db/timezone",
    "/private/var/select",
    "/Applications/Xcode.app",
];

/// Whether a trial with a profile works.
pub async fn works() -> Result<(), String> {
    let confined = Confinement {
        workspace: PathBuf::from("/private/var/empty"),
        temp: PathBuf::from("/private/var/empty"),
        network: false,
        writes: vec![],
    };
    let text = profile(&confined, &[]).ok_or("the profile cannot be written")?;
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["-p", &text, "/usr/bin/true"]).env_clear().kill_on_drop(true);
    let output = command.output().await.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect()),
    }
}

/// Nothing but what is listed; the last rule that fits decides. `None` where a path cannot stand in a profile.
pub fn profile(confined: &Confinement, hidden: &[PathBuf]) -> Option<String> {
    let mut text = String::from(
        "(version 1)\n(deny default)\n(allow process-fork)\n(allow process-exec)\n(allow signal (target same-sandbox))\n\
         (allow process-info* (target same-sandbox))\n(allow sysctl-read)\n(allow file-read-metadata)\n\
         (allow file-read* (literal \"/\"))\n\
         (allow file-write* (literal \"/dev/null\") (literal \"/dev/tty\") (literal \"/dev/zero\"))\n\
         (allow mach-lookup (global-name \"com.apple.system.notification_center\") \
         (global-name \"com.apple.system.opendirectoryd.libinfo\") (global-name \"com.apple.system.logger\"))\n",
    );
    for folder in READABLE {
        text.push_str(&format!("(allow file-read* (subpath {}))\n", quoted(Path::new(folder))?));
    }
    let granted: Vec<&PathBuf> = [&confined.workspace, &confined.temp].into_iter().chain(&confined.writes).collect();
    for folder in &granted {
        text.push_str(&format!("(allow file-read* file-write* (subpath {}))\n", quoted(folder)?));
    }
    for folder in hidden {
        text.push_str(&format!("(deny file-read* file-write* (subpath {}))\n", quoted(folder)?));
        // An agent's own folders inside the gateway's.
        for inside in granted.iter().filter(|granted| granted.starts_with(folder)) {
            text.push_str(&format!("(allow file-read* file-write* (subpath {}))\n", quoted(inside)?));
        }
    }
    if confined.network {
        text.push_str(
            "(allow network-outbound (remote tcp) (remote udp))\n(allow network-inbound (local tcp))\n\
             (allow network-outbound (literal \"/private/var/run/mDNSResponder\"))\n\
             (allow mach-lookup (global-name \"com.apple.dnssd.service\"))\n",
        );
    }
    Some(text)
}

/// As a string of the profile's language; refused where a path could say something else in it.
fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let plain = !text.contains(['"', '\\', '\n', '\0']);
    plain.then(|| format!("\"{text}\""))
}
