//! The current task, as the owner of a connection. Only hooks that run in the task that
//! connects or accepts may ask: elsewhere the current task is a bystander.

use aya_ebpf::helpers::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_ktime_get_boot_ns,
};
use ngraph_common::event::role;

use crate::maps::{Entry, phase};

/// Nanoseconds of CLOCK_BOOTTIME.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: the helper takes nothing and can't fail.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Process id in the upper half, thread id in the lower.
#[inline(always)]
pub fn current_task() -> u64 {
    bpf_get_current_pid_tgid()
}

impl Entry {
    /// A connection first seen at `now_ns` whose owner isn't known.
    #[inline(always)]
    pub fn unowned(now_ns: u64, role: u8, phase: u32) -> Self {
        Self { opened_ns: now_ns, task: 0, cgroup: 0, comm: [0; 16], phase, role: role.into() }
    }

    /// A connection first seen at `now_ns` by a hook in its owner's task.
    #[inline(always)]
    pub fn of_current_task(now_ns: u64, role: u8) -> Self {
        let mut entry = Self::unowned(now_ns, role, phase::ATTEMPT);
        entry.take_owner();
        entry
    }

    /// Writes the current task down as the owner.
    #[inline(always)]
    pub fn take_owner(&mut self) {
        self.task = current_task();
        self.comm = bpf_get_current_comm().unwrap_or_default();
        // SAFETY: the helper takes nothing and can't fail.
        self.cgroup = unsafe { bpf_get_current_cgroup_id() };
    }

    /// Process id of its task; 0: not known.
    #[inline(always)]
    pub fn tgid(&self) -> u32 {
        (self.task >> 32) as u32
    }

    /// One of `event::role`.
    #[inline(always)]
    pub fn role(&self) -> u8 {
        self.role as u8
    }

    /// Whether a listener made it.
    #[inline(always)]
    pub fn is_inbound(&self) -> bool {
        self.role == u32::from(role::INBOUND)
    }
}
