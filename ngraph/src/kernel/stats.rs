//! What the kernel side counted, what the kernel kept from it, how long its programs ran.

use std::{fs, os::fd::AsRawFd as _};

use aya::programs::ProgramInfo;
use ngraph_common::{
    event::hook,
    names::{PROGRAMS, SECOND_WITNESS},
};

use super::{Tracer, probe};
use crate::health::{HOOKS, HookCounts, ProgramRuns};

impl Tracer {
    /// The kernel side's counters, and what the kernel kept from it.
    pub fn counts(&self) -> HookCounts {
        HookCounts { rows: self.counters.sums(), missed: self.missed() }
    }

    /// Runs that the kernel kept from each hook, as far as it tells; of the raw tracepoint's two
    /// witnesses those that it kept from both.
    fn missed(&self) -> [u64; HOOKS] {
        let mut missed = PROGRAMS.map(|name| self.program_missed(name));
        let states = &mut missed[usize::from(hook::SET_STATE)];
        let second = self.program_missed(SECOND_WITNESS);
        *states = kept_from_both(*states, second, probe::preempts_tracepoints());
        missed
    }

    /// `recursion_misses` from the descriptor's fdinfo: aya's `ProgramInfo` doesn't have it.
    /// Since Linux 5.12; for kprobes since 6.7.
    fn program_missed(&self, name: &str) -> u64 {
        let read = || {
            let program = self.ebpf.program(name)?.fd().ok()?;
            let fd = std::os::fd::AsFd::as_fd(program).as_raw_fd();
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?;
            line.trim().parse().ok()
        };
        read().unwrap_or(0)
    }

    /// Run times of the attached programs; empty where the kernel doesn't keep them.
    pub fn program_runs(&self) -> Vec<ProgramRuns> {
        let ran = |name: &'static str| {
            let info: ProgramInfo = self.ebpf.program(name)?.info().ok()?;
            let seconds = info.run_time().as_secs_f64();
            (info.run_count() > 0).then_some(ProgramRuns { name, seconds, runs: info.run_count() })
        };
        PROGRAMS.into_iter().chain([SECOND_WITNESS]).filter_map(ran).collect()
    }
}

/// The most that was kept from both witnesses (see `witness` in ngraph-ebpf), of what was kept
/// from each. It takes two that are held up in one program each on the same processor: where
/// tasks `preempt` each other there. An interrupt alone holds up one, and what it does itself the
/// other sees.
fn kept_from_both(first: u64, second: u64, preempt: bool) -> u64 {
    if preempt { first.min(second) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_witness_missed_both_missed_only_where_tasks_preempt_each_other() {
        assert_eq!(kept_from_both(3, 2, false), 0, "in 3 + 2 interrupts");
        assert_eq!(kept_from_both(3, 2, true), 2);
        assert_eq!(kept_from_both(9, 0, true), 0);
    }
}
