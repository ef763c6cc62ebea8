//! How our own binary is started again as something else: by a name that no person gives it.

use std::process::Command;

pub const GUARD: &str = "simpleclaw-sandbox-guard";
pub const STAGE: &str = "simpleclaw-sandbox-stage";

/// The open file of this process's program: also after an update has put another in its place.
const SELF: &str = "/proc/self/exe";

/// A command without any environment but what the program may need to find its libraries, where it is an AppImage.
pub fn command(role: &'static str) -> Command {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(SELF);
    command.env_clear().current_dir("/");
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    #[cfg(not(test))]
    command.arg0(role);
    // Here the program is the harness of the tests; a test of that name takes its first name's place.
    #[cfg(test)]
    command
        .arg0("tests")
        .args(["--exact", "--nocapture", "--test-threads=1", "sandbox::reexec::tests::enters"])
        .env(ROLE, role);
    command
}

/// Says to the harness of the tests who it is.
#[cfg(test)]
const ROLE: &str = "SIMPLECLAW_TEST_ROLE";

/// Who this process is, if it is one of the two.
pub fn role() -> Option<&'static str> {
    #[cfg(test)]
    let name = std::env::var_os(ROLE)?;
    #[cfg(not(test))]
    let name = std::env::args_os().next()?;
    [GUARD, STAGE].into_iter().find(|role| name == *role)
}

#[cfg(test)]
mod tests {
    #[test]
    fn enters() {
        // As any other test it does nothing.
        if let Some(code) = super::super::entered() {
            std::process::exit(i32::from(code));
        }
    }
}
