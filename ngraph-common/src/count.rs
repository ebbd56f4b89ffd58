//! The kernel side's counters: one row a hook, one column an outcome.
//!
//! Every run of a hook is counted once as seen and once as what became of it, so that
//! `SEEN = FILTERED + SUBMITTED + OVERFLOWED + RING_FULL + MAP_FULL` holds for each hook at
//! rest.

use crate::event::hook;

/// The hook ran; twice where a run has two things to tell.
pub const SEEN: u32 = 0;
/// There was nothing to report: another protocol or namespace, a state change that means
/// nothing to us, a connection that another hook has reported.
pub const FILTERED: u32 = 1;
/// An event went into the ring buffer.
pub const SUBMITTED: u32 = 2;
/// An event was lost: neither the ring buffer nor the overflow map had room.
pub const RING_FULL: u32 = 3;
/// A connection that no identity could be given to was left out, lest it be reported twice:
/// the socket map had no room.
pub const MAP_FULL: u32 = 4;
/// An event found the ring buffer full and was counted in the overflow map.
pub const OVERFLOWED: u32 = 5;
/// Of those submitted or overflowed: by the second witness, since the kernel kept the first
/// from it.
pub const RESCUED: u32 = 6;
/// Connections that were reported without an identity: the socket map had no room.
pub const UNNAMED: u32 = 7;
/// Outbound attempts that began and have an identity.
pub const BEGUN: u32 = 8;
/// Of those begun: attempts that became a connection or failed.
pub const ENDED: u32 = 9;
/// How many columns there are.
pub const COLUMNS: u32 = 10;

/// How many counters there are.
pub const ENTRIES: usize = (hook::COUNT * COLUMNS) as usize;

/// All counters of one processor. An array of these, one for each processor, is mapped into
/// the user side's memory: a look-up by system call would keep kprobe programs from running
/// on its processor for as long as it takes.
/// (`bpf_disable_instrumentation`) <https://github.com/torvalds/linux/blob/v6.12/include/linux/bpf.h>
pub type Counters = [u64; ENTRIES];

/// Flag of a map that user space may map into its memory, since Linux 5.5.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h>
pub const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Where the counter of `hook` and `column` lies.
#[inline(always)]
pub const fn index(hook: u8, column: u32) -> usize {
    (hook as u32 * COLUMNS + column) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_and_outcome_has_a_counter_of_its_own() {
        let mut seen = [false; ENTRIES];
        for hook in 0..hook::COUNT as u8 {
            for column in 0..COLUMNS {
                let at = index(hook, column);
                assert!(!seen[at], "{hook} {column} shares its counter");
                seen[at] = true;
            }
        }
        assert!(seen.iter().all(|&seen| seen));
    }
}
