//! What the agent's own process uses.

use procfs::process::Process;

use crate::health::ProcessUse;

/// Reads it from /proc/self; zeros where that can't be read, as under a /proc of another
/// pid namespace.
pub fn process_use() -> ProcessUse {
    read().unwrap_or_default()
}

/// Gives memory back that isn't needed any more: loading the kernel side takes some 20 MB for a
/// moment, since aya parses the whole of the kernel's BTF. The C library would keep it, and all
/// that is asked for later would lie scattered in it.
pub fn give_back_memory() {
    // SAFETY: malloc_trim touches nothing but memory that is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

fn read() -> procfs::ProcResult<ProcessUse> {
    let this = Process::myself()?;
    let stat = this.stat()?;
    Ok(ProcessUse {
        cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        resident_bytes: stat.rss * procfs::page_size(),
        open_fds: this.fd_count()? as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory_and_descriptors() {
        let used = process_use();
        assert!(used.resident_bytes > 100_000, "{used:?}");
        assert!(used.open_fds >= 3, "{used:?}");
    }
}
