//! What the kernel says of a process, and on which processor it may run. Linux; elsewhere there is nothing to say.

use anyhow::Context as _;

/// Proportional memory in bytes.
pub fn pss(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// Seconds on a processor, and bytes written to a disk.
pub fn used(pid: u32) -> anyhow::Result<(f64, u64)> {
    // In nanoseconds and per thread, where `stat` counts in ticks of 10 ms.
    let mut nanos = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += text.split(' ').next().context("schedstat")?.parse::<u64>()?;
    }
    let io = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("no write_bytes")?;
    Ok((nanos as f64 / 1e9, written.parse()?))
}

/// Lets every thread that a process has now run on one processor alone, or, with `None`, on all.
#[cfg(target_os = "linux")]
pub fn pin(pid: u32, cpu: Option<usize>) -> anyhow::Result<()> {
    use nix::sched::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    for each in 0..std::thread::available_parallelism()?.get().max(2) {
        if cpu.is_none_or(|cpu| cpu == each) {
            set.set(each)?;
        }
    }
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let id = task?.file_name().to_string_lossy().parse()?;
        sched_setaffinity(nix::unistd::Pid::from_raw(id), &set)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn pin(_: u32, _: Option<usize>) -> anyhow::Result<()> {
    anyhow::bail!("processes cannot be bound to a processor here")
}
