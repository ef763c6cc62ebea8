//! Landlock: which files a command may read and write, on kernels that have it and without any privilege.
//!
//! It sees files and TCP ports. What it does not see, `seccomp` refuses: other sockets, shared memory, and signals where the
//! kernel is too old for Landlock's own scope.

use std::io;
use std::os::fd::OwnedFd;

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::plan::{Plan, STDIN};
use super::system;

/// Read, and run from.
const READABLE: [&str; 2] = ["/proc", "/run/systemd/resolve"];
/// Harmless devices. No terminal: one that a person sits at belongs to the same user, and whoever opens it reads what is
/// typed there, passwords too.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// The terminal of whoever opens it.
const OWN_TERMINAL: &str = "/dev/tty";

/// What this kernel's Landlock holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Files; with the third version, before which a file could be cut short without being opened.
    pub files: bool,
    pub tcp: bool,
    pub signals: bool,
}

/// Asks the kernel by making rule sets that are not applied.
pub fn held() -> Held {
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = || strict().handle_access(AccessFs::from_all(ABI::V3));
    let works = |set: Result<Ruleset, RulesetError>| set.and_then(Ruleset::create).is_ok();
    Held {
        files: works(files()),
        tcp: works(files().and_then(|set| set.handle_access(AccessNet::from_all(ABI::V4)))),
        signals: works(files().and_then(|set| set.scope(Scope::from_all(ABI::V6)))),
    }
}

/// Confines this thread, and what it becomes, for ever.
pub fn restrict(plan: &Plan, fds: &[OwnedFd]) -> io::Result<()> {
    let status = apply(plan, fds).map_err(io::Error::other)?;
    match status {
        RulesetStatus::NotEnforced => Err(io::Error::other("Landlock is not there any more")),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

fn apply(plan: &Plan, fds: &[OwnedFd]) -> Result<RulesetStatus, RulesetError> {
    // What every supported kernel has is demanded; what newer ones add is taken where it is.
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V3))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?;
    if !plan.network {
        rules = rules.handle_access(AccessNet::from_all(ABI::V4))?;
    }
    let devices = BitFlags::from(AccessFs::ReadFile) | AccessFs::WriteFile | AccessFs::IoctlDev;
    let mut rules = rules
        .create()?
        .add_rules(path_beneath_rules(system::FOLDERS.iter().chain(&READABLE), AccessFs::from_read(ABI::V5)))?
        .add_rules(path_beneath_rules(DEVICES, devices))?;
    if plan.terminal
        && let Some(terminal) = fds.get(STDIN)
    {
        rules = rules
            .add_rule(PathBeneath::new(terminal, devices))?
            .add_rules(path_beneath_rules([OWN_TERMINAL], devices))?;
    }
    for opened in &plan.writable {
        if let Some(folder) = fds.get(opened.fd) {
            rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_all(ABI::V5)))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}
