//! Facts and limits of this process, from the operating system.

/// Resident memory in bytes; 0 where the system does not say.
pub fn rss_bytes() -> u64 {
    #[cfg(target_os = "linux")]
    {
        let pages = std::fs::read_to_string("/proc/self/statm").ok();
        let pages = pages.as_deref().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        pages.unwrap_or(0) * 4096
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// Bytes that this user may still write on the disk of a path; `None` where the system does not say.
pub fn free_space(path: &std::path::Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let disk = nix::sys::statvfs::statvfs(path).ok()?;
        #[allow(clippy::unnecessary_cast, reason = "the types differ from system to system")]
        let (blocks, size) = (disk.blocks_available() as u64, disk.fragment_size() as u64);
        Some(blocks.saturating_mul(size))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Allows as many open files as the system grants: each connection is one.
pub fn raise_open_files() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| match soft < hard {
            true => setrlimit(Resource::RLIMIT_NOFILE, hard, hard),
            false => Ok(()),
        });
        if let Err(error) = raised {
            tracing::warn!(%error, "raising the limit of open files");
        }
    }
}
