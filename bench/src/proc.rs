//! What /proc tells of processes and of the namespace.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

/// Processor time of a process, with that of its threads that have ended: by its clock, since
/// /proc tells it in steps of 10 ms, or by thread.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let mut clock = 0;
    // SAFETY: the call writes a clock's number to a place that lives until it is over.
    let found = unsafe { libc::clock_getcpuclockid(pid as libc::pid_t, &raw mut clock) };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: as above, with a time.
    let failed = found != 0 || unsafe { libc::clock_gettime(clock, &raw mut time) } != 0;
    ensure!(!failed, "read the processor time of process {pid}: it has none (has it ended?)");
    Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

/// Resident memory, in bytes: now, and the most since [`forget_peak`].
pub(crate) fn memory(pid: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(first_number).with_context(|| format!("find {name} in {path}"))
    };
    Ok((kib("VmRSS:")? * 1024, kib("VmHWM:")? * 1024))
}

/// Has the peak of a process' resident memory begin anew.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("write 5 to {path}"))
}

/// How often something has slept since its start, all threads of it: each time it woke up again.
pub(crate) fn wake_ups(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in entries(&format!("/proc/{pid}/task"))? {
        // One that has ended meanwhile doesn't wake up any more.
        let text = fs::read_to_string(thread.join("status")).unwrap_or_default();
        let switches = text.lines().find_map(|it| it.strip_prefix("voluntary_ctxt_switches:"));
        sum += switches.and_then(first_number).unwrap_or(0);
    }
    Ok(sum)
}

/// What the BPF programs that a process holds have done, as far as the kernel keeps that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BpfUse {
    pub(crate) ns: u64,
    pub(crate) runs: u64,
}

/// All of them together.
pub(crate) fn bpf(pid: u32) -> Result<BpfUse> {
    let mut programs: Vec<(u64, BpfUse)> = Vec::new();
    for file in entries(&format!("/proc/{pid}/fdinfo"))? {
        let text = fs::read_to_string(file).unwrap_or_default();
        programs.extend(program(&text));
    }
    // A program may be open more than once.
    programs.sort_unstable();
    programs.dedup_by_key(|program| program.0);
    let sum = |field: fn(&BpfUse) -> u64| programs.iter().map(|(_, it)| field(it)).sum();
    Ok(BpfUse { ns: sum(|it| it.ns), runs: sum(|it| it.runs) })
}

/// A program's number and what it has done, of a file that is one.
fn program(fdinfo: &str) -> Option<(u64, BpfUse)> {
    let field =
        |name: &str| fdinfo.lines().find_map(|line| line.strip_prefix(name)).and_then(first_number);
    Some((field("prog_id:")?, BpfUse { ns: field("run_time_ns:")?, runs: field("run_cnt:")? }))
}

/// Whether a process has attached something: it holds a link, or an event with a program.
pub(crate) fn is_attached(pid: u32) -> bool {
    let files = entries(&format!("/proc/{pid}/fd")).unwrap_or_default();
    files.iter().any(|file| {
        let target = fs::read_link(file).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        ["bpf_link", "bpf-link", "[perf_event]", "raw-tracepoint"]
            .iter()
            .any(|kind| target.contains(kind))
    })
}

/// Inbound connections that the kernel has counted in the calling thread's namespace.
pub(crate) fn passive_opens() -> Result<u64> {
    let path = "/proc/thread-self/net/snmp";
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    count(&text, "PassiveOpens").with_context(|| format!("find Tcp's PassiveOpens in {path}"))
}

/// A count of the protocol Tcp: one line has names, the next their values.
fn count(snmp: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let at = lines.next()?.split(' ').position(|it| it == name)?;
    lines.next()?.split(' ').nth(at)?.parse().ok()
}

fn entries(folder: &str) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(Path::new(folder)).with_context(|| format!("list {folder}"))?;
    Ok(read.flatten().map(|entry| entry.path()).collect())
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_found_below_its_name() {
        let snmp = "Tcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 11 12\nUdp: InDatagrams\n";
        assert_eq!(count(snmp, "PassiveOpens"), Some(12));
        assert_eq!(count(snmp, "NoSuch"), None);
    }

    #[test]
    fn a_program_is_told_by_its_file_and_other_files_are_none() {
        let fdinfo = "pos:\t0\nprog_type:\t17\nprog_id:\t51\nrun_time_ns:\t9000\nrun_cnt:\t3\n";
        assert_eq!(program(fdinfo), Some((51, BpfUse { ns: 9000, runs: 3 })));
        assert_eq!(program("pos:\t0\nmap_type:\t2\n"), None);
    }

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        assert!(memory(pid).unwrap().0 > 100_000);
        assert!(cpu(pid).unwrap() > Duration::ZERO);
        assert!(wake_ups(pid).is_ok() && wake_ups(1 << 22).is_err());
        assert!(passive_opens().is_ok());
        assert!(cpu(1 << 22).is_err(), "a process that can't be");
    }
}
