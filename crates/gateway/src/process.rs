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
