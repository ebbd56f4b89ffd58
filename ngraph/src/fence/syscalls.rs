//! Syscalls that the agent never makes, refused by seccomp.
//!
//! A list of what is refused and not of what is allowed: another C library, another kernel or
//! another version of a dependency makes calls that nobody thought of, and the agent must
//! survive them. A refused call is an error (EPERM) to whoever made it, not the process' end;
//! only calls of another architecture, which this one can't make by accident, end it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// Refused, by what they are for.
#[rustfmt::skip]
const REFUSED: [libc::c_long; 49] = [
    // Other programs and other processes.
    libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace, libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev, libc::SYS_process_madvise, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    // Mounts and namespaces.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_move_mount, libc::SYS_open_tree, OPEN_TREE_ATTR, libc::SYS_mount_setattr,
    libc::SYS_fsopen, libc::SYS_fsconfig, libc::SYS_fsmount, libc::SYS_fspick,
    libc::SYS_setns, libc::SYS_unshare,
    // Another kernel, or more of this one.
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_kexec_load, KEXEC_FILE_LOAD, libc::SYS_reboot,
    // The machine's settings.
    libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_acct, libc::SYS_quotactl,
    libc::SYS_quotactl_fd, libc::SYS_sethostname, libc::SYS_setdomainname,
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex,
    // Keys, and files past their folders.
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    // What exploits are made of; io_uring also goes past this filter.
    libc::SYS_userfaultfd, libc::SYS_fanotify_init, libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: [libc::c_long; 4] =
    [libc::SYS_mknod, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: [libc::c_long; 0] = [];

// The libc crate lacks these, the latter for musl on aarch64.
// https://github.com/torvalds/linux/blob/v6.16/include/uapi/asm-generic/unistd.h
const OPEN_TREE_ATTR: libc::c_long = 467;
const KEXEC_FILE_LOAD: libc::c_long = if cfg!(target_arch = "x86_64") { 320 } else { 294 };

/// Marks a call by the x32 convention, which is x86_64 by architecture: without these the list
/// has a second entrance where the kernel has CONFIG_X86_X32_ABI.
/// <https://github.com/torvalds/linux/blob/v6.12/arch/x86/entry/syscalls/syscall_64.tbl>
const X32: libc::c_long = 0x4000_0000;
/// execve, ptrace, kexec_load, process_vm_readv, process_vm_writev and execveat, which have
/// numbers of their own there.
const X32_ONLY: [libc::c_long; 6] = [520, 521, 528, 539, 540, 545];

/// Has the kernel refuse these calls to this thread and those that it starts.
///
/// # Errors
/// Where the kernel has no seccomp filters, or this architecture no filter.
pub(super) fn refuse() -> Result<()> {
    apply_filter(&filter()?).context("install the filter")
}

fn filter() -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).context("choose the architecture")?;
    let rules: BTreeMap<i64, _> = numbers().map(|number| (number, Vec::new())).collect();
    let refusal = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch);
    BpfProgram::try_from(filter.context("make the filter")?).context("make the filter")
}

fn numbers() -> impl Iterator<Item = i64> {
    let native = REFUSED.into_iter().chain(REFUSED_HERE);
    let x32 = native.clone().chain(X32_ONLY).map(|number| number | X32);
    native.chain(x32.filter(|_| cfg!(target_arch = "x86_64")))
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn every_call_of_the_list_is_refused_in_the_thread_and_those_it_starts() {
        let test = || {
            refuse().unwrap();
            thread_sees_refusals();
            std::thread::spawn(thread_sees_refusals).join().unwrap();
        };
        std::thread::spawn(test).join().unwrap();
        // The filter ends with its thread.
        assert_ne!(errno_of(libc::SYS_setns), libc::EPERM);
    }

    fn thread_sees_refusals() {
        for number in REFUSED.into_iter().chain(REFUSED_HERE) {
            assert_eq!(errno_of(number), libc::EPERM, "syscall {number}");
        }
        assert!(std::fs::read_to_string("/proc/self/comm").is_ok(), "all else goes on");
    }

    /// The error of a call whose arguments no kernel takes.
    fn errno_of(number: libc::c_long) -> i32 {
        const NONE: libc::c_long = -1;
        // SAFETY: -1 is no address, no descriptor and no known flag: whichever call this is,
        // the kernel gives an error before it touches anything.
        let result = unsafe { libc::syscall(number, NONE, NONE, NONE, NONE, NONE, NONE) };
        assert_eq!(result, -1, "syscall {number}");
        Error::last_os_error().raw_os_error().unwrap()
    }
}
