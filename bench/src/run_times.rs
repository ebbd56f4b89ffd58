//! Has the kernel keep the run times of BPF programs, for as long as it's wanted.

use std::{
    fs, io,
    os::fd::{FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};

/// Run times are kept until this is dropped, or its process ends in whatever way: it costs every
/// program of the machine, so it can't be left behind.
#[derive(Debug)]
pub(crate) struct RunTimes {
    _held: OwnedFd,
}

/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h>
const BPF_ENABLE_STATS: libc::c_long = 32;
const BPF_STATS_RUN_TIME: u32 = 0;

impl RunTimes {
    /// Begins.
    pub(crate) fn keep() -> Result<Self> {
        let kind = BPF_STATS_RUN_TIME;
        // SAFETY: the attributes of this command are one u32, which lives until the call is over.
        let fd = unsafe {
            libc::syscall(libc::SYS_bpf, BPF_ENABLE_STATS, &raw const kind, size_of_val(&kind))
        };
        if fd < 0 {
            return Err(io::Error::last_os_error())
                .context("have the kernel keep BPF programs' run times (needs root)");
        }
        // SAFETY: the call has just given this descriptor, and nobody else knows it.
        Ok(Self { _held: unsafe { OwnedFd::from_raw_fd(fd as i32) } })
    }

    /// Whether they are kept anyway, and so cost something where nobody wants them.
    pub(crate) fn are_always_kept() -> bool {
        let set = fs::read_to_string("/proc/sys/kernel/bpf_stats_enabled").unwrap_or_default();
        set.trim() == "1"
    }
}
