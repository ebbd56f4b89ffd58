//! What this kernel offers and this process may use, asked and not guessed from a version.

use std::{fs, path::Path};

use anyhow::{Result, anyhow, bail};
use aya::maps::MapType;
use procfs::process::Process;

/// The running kernel's release, as `uname -r` tells it.
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Whether the kernel has ring buffers.
///
/// # Errors
/// Where it has none, with the version that brings them; where this process may not ask.
pub fn ring_buffer() -> Result<()> {
    match aya::sys::is_map_supported(MapType::RingBuf) {
        Ok(true) => Ok(()),
        Ok(false) => bail!("{}", no_ring_buffer(&release())),
        Err(err) => Err(explain(&err.into())),
    }
}

fn no_ring_buffer(release: &str) -> String {
    format!("ring buffer not supported (needs Linux 5.8 or newer, this is {release})")
}

/// Whether the kernel has kprobes.
///
/// # Errors
/// Where it has none.
pub fn kprobes() -> Result<()> {
    const PMU: &str = "/sys/bus/event_source/devices/kprobe/type";
    if Path::new(PMU).exists() {
        return Ok(());
    }
    bail!("this kernel has no kprobes (it is built without CONFIG_KPROBES, or /sys isn't mounted)")
}

/// Whether a task may be preempted while it runs a program at a raw tracepoint: other tasks'
/// changes of state are kept from that program then. Since Linux 7.0.
/// (`__DECLARE_TRACE`) <https://github.com/torvalds/linux/blob/v7.0/include/linux/tracepoint.h>
pub fn preempts_tracepoints() -> bool {
    is_at_least(&release(), 7)
}

fn is_at_least(release: &str, major: u32) -> bool {
    let digits = release.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).is_some_and(|this: u32| this >= major)
}

/// Capabilities that tracing needs, by number and name, with those that stand in for them.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h>
const NEEDED: [(u32, &str); 2] = [(39, "CAP_BPF"), (38, "CAP_PERFMON")];
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_SYS_PTRACE: u32 = 19;

/// Names of the capabilities that tracing needs and this process doesn't have.
pub fn missing_capabilities() -> Vec<&'static str> {
    let effective = effective_capabilities();
    if is_admin() {
        return Vec::new();
    }
    NEEDED.iter().filter(|(cap, _)| !has(effective, *cap)).map(|&(_, name)| name).collect()
}

/// Whether this process may do all that tracing takes, whatever else is set.
pub fn is_admin() -> bool {
    has(effective_capabilities(), CAP_SYS_ADMIN)
}

/// Whether other users' processes show their namespaces.
pub fn can_see_namespaces() -> bool {
    has(effective_capabilities(), CAP_SYS_PTRACE)
}

/// `kernel.perf_event_paranoid`: above 2, kprobes need CAP_SYS_ADMIN on Debian's kernels.
pub fn perf_event_paranoid() -> Option<i32> {
    fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

/// Puts words to an error of aya's: the whole chain in one line, and what to do where the
/// kernel said no for want of capabilities.
pub fn explain(err: &anyhow::Error) -> anyhow::Error {
    let text = format!("{err:#}");
    if !is_denied(err) {
        return anyhow!(text);
    }
    let missing = missing_capabilities();
    if missing.is_empty() {
        return anyhow!("{text} (the kernel forbids it: lockdown, seccomp or a security module?)");
    }
    anyhow!("{text} (needs {}: run as root, or grant them)", missing.join(" and "))
}

/// The same for the attaching of a kprobe, which takes more where the kernel is paranoid.
pub fn explain_kprobe(err: &anyhow::Error) -> anyhow::Error {
    let is_for_want_of_admin = is_denied(err) && missing_capabilities().is_empty() && !is_admin();
    match perf_event_paranoid() {
        Some(value) if value > 2 && is_for_want_of_admin => anyhow!(
            "{err:#} (kernel.perf_event_paranoid is {value}: kprobes need CAP_SYS_ADMIN too, or \
             sysctl kernel.perf_event_paranoid=2)"
        ),
        _ => explain(err),
    }
}

/// The same for a control group's program, which is part of the network.
pub fn explain_cgroup(err: &anyhow::Error) -> anyhow::Error {
    if is_denied(err) && !is_admin() && !has(effective_capabilities(), CAP_NET_ADMIN) {
        return anyhow!("{err:#} (needs CAP_NET_ADMIN: run as root, or grant it)");
    }
    explain(err)
}

fn is_denied(err: &anyhow::Error) -> bool {
    err.chain().any(|cause| {
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        kind == Some(std::io::ErrorKind::PermissionDenied)
    })
}

fn effective_capabilities() -> u64 {
    let status = Process::myself().and_then(|process| process.status());
    status.map_or(0, |status| status.capeff)
}

fn has(effective: u64, cap: u32) -> bool {
    effective & (1 << cap) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_before_5_8_is_told_what_it_lacks() {
        let expected = "ring buffer not supported (needs Linux 5.8 or newer, this is 5.4.0-42)";
        assert_eq!(no_ring_buffer("5.4.0-42"), expected);
    }

    #[test]
    fn a_release_is_as_new_as_its_first_number_says() {
        assert!(is_at_least("7.0.1-cloud", 7) && is_at_least("10.2", 7) && is_at_least("7", 7));
        assert!(!is_at_least("6.18.5", 7) && !is_at_least("", 7) && !is_at_least("x7", 7));
    }

    #[test]
    fn an_error_keeps_its_causes() {
        let err = anyhow!("inner").context("outer");
        assert_eq!(explain(&err).to_string(), "outer: inner");
    }
}
