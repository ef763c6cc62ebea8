//! The processes below one, from /proc: listed, stopped, killed.
//!
//! Below the guard nothing gets lost: it is the reaper of whatever its descendants leave behind, so one that made itself
//! a session and lost its parent comes up under the guard again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal};

/// How often the list is made anew while new processes keep appearing.
const PASSES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// As in /proc: `Z` is dead and not reaped.
    pub state: char,
    pub rss_bytes: u64,
    /// In ticks since the machine started; with the number it names one process for ever.
    started: u64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, stat: &str) -> Option<Self> {
        // The name may hold spaces and brackets; nothing after it does.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
            rss_bytes: fields.get(21)?.parse::<u64>().ok()?.saturating_mul(4096),
        })
    }

    /// Sends only to the very process that was listed, never to another that got its number since.
    fn send(&self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else { return false };
        let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let same = Self::read(self.pid).is_some_and(|now| now.started == self.started);
        same && rustix::process::pidfd_send_signal(handle, signal).is_ok()
    }
}

/// Everything below a process, itself left out.
pub fn descendants(root: i32) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    below(root, pids.filter_map(Process::read))
}

fn below(root: i32, all: impl Iterator<Item = Process>) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for process in all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let pid = process.pid;
        found.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    found
}

/// Sends to every descendant, and to those that appear meanwhile; whether the last look found no new one. Who is told to
/// stop begins no fork any more, but ends one that it is in the middle of: a child of it may appear later.
pub fn signal_all(root: i32, signal: Signal) -> bool {
    let mut told = BTreeSet::new();
    for _ in 0..PASSES {
        let fresh: Vec<Process> = descendants(root)
            .into_iter()
            .filter(|process| process.state != 'Z' && !told.contains(&(process.pid, process.started)))
            .collect();
        if fresh.is_empty() {
            return true;
        }
        for process in fresh {
            process.send(signal);
            told.insert((process.pid, process.started));
        }
    }
    false
}

/// Whether each descendant is stopped or dead, or waits for a stopped child that borrows its memory (vfork). Only the
/// second of two looks tells: one that came out of a fork during the first may have left a child that this did not list.
pub fn stands(root: i32) -> bool {
    seem_to_stand(root) && seem_to_stand(root)
}

fn seem_to_stand(root: i32) -> bool {
    let all = descendants(root);
    let waits = |parent: &Process| {
        parent.state == 'D' && all.iter().any(|child| child.parent == parent.pid && "Tt".contains(child.state))
    };
    all.iter().all(|process| "TtZX".contains(process.state) || waits(process))
}

/// Processes and their memory in bytes, dead ones left out.
pub fn census(root: i32) -> (u64, u64) {
    let alive = descendants(root).into_iter().filter(|process| process.state != 'Z');
    alive.fold((0, 0), |(count, bytes), process| (count + 1, bytes + process.rss_bytes))
}

/// Threads of this user, which is what the kernel's limit on processes counts.
pub fn threads_of_user() -> u64 {
    let own = rustix::process::getuid().as_raw();
    let Ok(entries) = fs::read_dir("/proc") else { return 0 };
    let threads = |pid: i32| -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next());
        (field("Uid:")?.parse() == Ok(own)).then(|| field("Threads:")?.parse().ok()).flatten()
    };
    entries.flatten().filter_map(|entry| threads(entry.file_name().to_str()?.parse().ok()?)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let rest = (4..24).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let process = Process::parse(7, &format!("7 (a) (b S 1) T 5 {rest} 9")).expect("is read");
        assert_eq!((process.state, process.parent), ('T', 5));
        assert_eq!((process.started, process.rss_bytes), (21, 23 * 4096));
        assert_eq!(Process::parse(7, "7 (a"), None);
        assert_eq!(Process::parse(7, "7 (a) S 1"), None);
    }

    #[test]
    fn children_of_children() {
        let process = |pid, parent| Process { pid, parent, state: 'S', rss_bytes: 0, started: 0 };
        let all = [process(9, 4), process(2, 1), process(3, 2), process(4, 3), process(5, 1), process(6, 5)];
        let mut pids: Vec<_> = below(2, all.into_iter()).into_iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [3, 4, 9]);
    }
}
