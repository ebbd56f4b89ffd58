//! What the agent tells of itself in a file: plain figures, gathered elsewhere.

use ngraph_common::{count, event::hook};

use crate::graph::PerRole;

/// How many hooks there are.
pub const HOOKS: usize = hook::COUNT as usize;

/// The agent's own figures, all since its start unless they say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Which hooks are attached and proven; `None`: this kernel has no need of it.
    pub attached: [Option<bool>; HOOKS],
    /// The kernel side's counters.
    pub hooks: HookCounts,
    /// Records taken from the ring buffer, by [`crate::observe::KINDS`].
    pub events: [u64; crate::observe::KINDS.len()],
    /// Records that found the ring buffer full and were counted instead.
    pub overflowed: u64,
    /// The kernel's own counts beside what was captured.
    pub audit: Vec<crate::audit::Line>,
    /// What bounds the agent's memory, and how often.
    pub capacities: Vec<Capacity>,
    /// Records that made no sense.
    pub malformed: u64,
    /// Runs that the kernel kept from the hooks, as [`HookCounts::unseen`] has them.
    pub unseen: u64,
    /// Connections that a snapshot found open and the events had not.
    pub repaired_opens: u64,
    /// Connections that a snapshot found gone and the events had not.
    pub repaired_closes: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Namespaces whose TCP tables they read, each time.
    pub tables_read: u64,
    /// How long the last snapshot took, in seconds.
    pub snapshot_seconds: f64,
    /// How long the last write took, in seconds.
    pub write_seconds: f64,
    /// Writes that failed.
    pub write_failures: u64,
    /// What became of lookups of who answers outbound connections; none: there are none.
    pub translations: Option<crate::nat::Counts>,
    /// Connections open now.
    pub live: PerRole<u64>,
    /// Edges that aren't folded, now.
    pub edges: PerRole<u64>,
    /// Edges folded.
    pub folded: PerRole<u64>,
    /// Run time of the kernel side's programs, where the kernel keeps it.
    pub programs: Vec<ProgramRuns>,
    /// The agent's own process.
    pub process: ProcessUse,
    /// When this file was made, in seconds since 1970.
    pub written_at: f64,
    /// The running kernel's release.
    pub kernel: String,
}

impl Health {
    /// Events that are gone, for whatever reason.
    pub fn lost(&self) -> u64 {
        self.malformed + self.hooks.sum(count::RING_FULL) + self.hooks.sum(count::MAP_FULL)
    }
}

/// A bound of the agent's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// What is bounded.
    pub of: &'static str,
    /// How much of it there may be.
    pub most: u64,
    /// How often more was wanted.
    pub reached: u64,
}

/// How often a program ran, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramRuns {
    /// The program's name.
    pub name: &'static str,
    /// Seconds on a processor.
    pub seconds: f64,
    /// Runs.
    pub runs: u64,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUse {
    /// Seconds on a processor.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
}

/// The kernel side's counters, by hook.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookCounts {
    /// How often each hook ran and what became of it, by columns of [`count`].
    pub rows: [[u64; count::COLUMNS as usize]; HOOKS],
    /// How often the kernel kept a hook from running, as far as it tells.
    pub missed: [u64; HOOKS],
}

impl HookCounts {
    /// One column summed over the hooks.
    pub fn sum(&self, column: u32) -> u64 {
        self.rows.iter().map(|row| row[column as usize]).sum()
    }

    /// Both together.
    pub fn plus(mut self, other: &Self) -> Self {
        for (row, other) in self.rows.iter_mut().zip(other.rows) {
            row.iter_mut().zip(other).for_each(|(sum, count)| *sum += count);
        }
        self.missed.iter_mut().zip(other.missed).for_each(|(sum, missed)| *sum += missed);
        self
    }

    /// Those of a kernel side that is gone: what was on its way has no end that it will tell of.
    pub fn ended(mut self) -> Self {
        for row in &mut self.rows {
            row[count::ENDED as usize] = row[count::BEGUN as usize];
        }
        self
    }

    /// Runs that the kernel kept from the hooks. Of the control group's program: none, and it
    /// sees whatever opens. From both witnesses of the raw tracepoint,
    /// which else speaks for all; of the probes, where they stand alone, the connects, and the
    /// accepts that neither of the two hooks for them saw. The most that can be lost: the
    /// kernel counts runs for any namespace and any change of state.
    pub fn unseen(&self, attached: [bool; HOOKS]) -> u64 {
        let missed = |hook: u8| self.missed[usize::from(hook)];
        if attached[usize::from(hook::SOCK_OPS)] {
            return missed(hook::SOCK_OPS);
        }
        if attached[usize::from(hook::SET_STATE)] {
            return missed(hook::SET_STATE);
        }
        let accepts = [hook::CSK_ACCEPT, hook::SOCK_GRAFT];
        let accepts = accepts.into_iter().filter(|&hook| attached[usize::from(hook)]);
        missed(hook::TCP_CONNECT) + accepts.map(missed).min().unwrap_or(0)
    }

    /// Events that found no room in the ring buffer or the socket map, and so are without
    /// details, or lost.
    pub fn without_room(&self) -> u64 {
        self.sum(count::OVERFLOWED) + self.sum(count::RING_FULL) + self.sum(count::MAP_FULL)
    }

    /// Outbound attempts that have neither become a connection nor failed.
    pub fn in_flight(&self) -> u64 {
        self.sum(count::BEGUN).saturating_sub(self.sum(count::ENDED))
    }

    /// Events that are for the user side to take.
    pub fn told(&self) -> u64 {
        self.sum(count::SUBMITTED) + self.sum(count::OVERFLOWED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_kernel_side_that_is_gone_nothing_is_on_its_way() {
        let mut counts = HookCounts::default();
        counts.rows[0][count::BEGUN as usize] = 7;
        counts.rows[0][count::ENDED as usize] = 5;
        assert_eq!(counts.in_flight(), 2);
        assert_eq!(counts.ended().in_flight(), 0);
        assert_eq!(counts.ended().plus(&counts).in_flight(), 2);
    }

    #[test]
    fn the_probes_misses_matter_where_they_stand_alone() {
        let counts = HookCounts { missed: [1, 2, 7, 3, 0], ..HookCounts::default() };
        let mut attached = [true; HOOKS];
        assert_eq!(counts.unseen(attached), 0);
        attached[usize::from(hook::SOCK_OPS)] = false;
        assert_eq!(counts.unseen(attached), 1);
        attached[usize::from(hook::SET_STATE)] = false;
        assert_eq!(counts.unseen(attached), 2 + 3);
    }
}
