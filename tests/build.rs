//! Finds out what this machine allows, so that a test that cannot run here is listed as ignored, with its reason.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(can_mount)");
    println!("cargo::rustc-check-cfg=cfg(can_mount_images)");
    println!("cargo::rustc-check-cfg=cfg(can_trace)");
    // Some containers forbid it.
    let probe = ["-f", "--seccomp-bpf", "-qq", "-e", "trace=execve", "-o", "/dev/null", "true"];
    let probe = Command::new("strace").args(probe).stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=can_trace");
    }
    // A folder with a disk of its own takes a mount namespace, which takes root.
    let probe = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=can_mount");
    }
    // A file as a disk takes loop devices too.
    let script = "cd \"$OUT_DIR\" && rm -f disk && truncate -s 8M disk && mkfs.ext4 -q -F disk && mkdir -p at && mount -o loop disk at";
    let probe = Command::new("unshare").args(["--mount", "sh", "-c", script]).stderr(Stdio::null()).status();
    if probe.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-cfg=can_mount_images");
    }
}
