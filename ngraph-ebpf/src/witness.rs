//! Two witnesses of the same tracepoint, so that nothing is missed.
//!
//! Since Linux 6.1 a program isn't run on a processor where it is running already: on a
//! change of state in an interrupt that came while the program ran, or, since probes may be
//! preempted (7.0), on all changes in the tasks that run meanwhile. Of 2,000 connections 12
//! were missed so on 7.3. The guard is each program's own, so a second program, called
//! right behind the first, sees what the first was kept from; of everything else it finds
//! that the first has taken it, and returns. Where tasks are preempted in the second too, 2
//! of 2,000 were missed: what is for `cgroup` to tell.
//! (`__bpf_trace_run`) <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c>

/// A change of a socket's state. The first witness leaves here the one that it has taken on
/// this processor, and the second picks it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Taken {
    pub sock: u64,
    pub old: i32,
    pub new: i32,
}

impl Taken {
    /// No change: no socket lies at this address.
    const NONE: Self = Self { sock: 0, old: 0, new: 0 };

    /// Whether it is this `change`. Whatever it was, it is gone then: the next connection of
    /// a socket at the same address goes through the same changes, and the first witness may
    /// be kept from those.
    #[inline(always)]
    pub fn is_picked_up(&mut self, change: Self) -> bool {
        let is_it = *self == change;
        *self = Self::NONE;
        is_it
    }
}

#[cfg(target_arch = "bpf")]
mod slot {
    use super::Taken;
    use crate::maps::TAKEN;

    /// The first witness has taken this change.
    #[inline(always)]
    pub fn taken(change: Taken) {
        if let Some(slot) = TAKEN.get_ptr_mut(0) {
            // SAFETY: a per-CPU value of plain integers; what comes in between on this
            // processor leaves another change or none, which `was_taken` allows for.
            unsafe { *slot = change };
        }
    }

    /// Whether the first witness has taken this change. If something came in between, the
    /// answer may be a false no, and the second witness takes the change again: `states`
    /// sees that. It is never a false yes.
    #[inline(always)]
    pub fn was_taken(change: Taken) -> bool {
        match TAKEN.get_ptr_mut(0) {
            // SAFETY: as in `taken`.
            Some(slot) => unsafe { (*slot).is_picked_up(change) },
            None => false,
        }
    }
}
#[cfg(target_arch = "bpf")]
pub use slot::{taken, was_taken};

#[cfg(test)]
mod tests {
    use super::*;

    const OPENS: Taken = Taken { sock: 7, old: 3, new: 1 };
    const GOES: Taken = Taken { sock: 7, old: 9, new: 7 };

    #[test]
    fn what_the_first_witness_took_is_picked_up_once() {
        let mut slot = OPENS;
        assert!(slot.is_picked_up(OPENS));
        assert!(!slot.is_picked_up(OPENS), "the next connection of a socket at that address");
    }

    #[test]
    fn a_change_that_the_first_was_kept_from_wipes_out_what_it_took_before() {
        let mut slot = OPENS;
        assert!(!slot.is_picked_up(GOES));
        assert!(!slot.is_picked_up(OPENS), "the next connection of a socket at that address");
    }
}
