//! Fills, submits and counts: the one way from a hook to the user side.

use core::arch::asm;

use aya_ebpf::{
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_get_smp_processor_id,
};
use aya_log_ebpf::debug;
use ngraph_common::{
    count,
    event::{AGE_MOST, EndEvent, FlowEvent, kind},
};

use crate::{
    maps::{COUNTERS, EVENTS, Entry, MARK_BYTES, RING_BYTES},
    overflow::overflow,
    sock::{Flow, SockAddress},
};

/// What became of one run of a hook.
pub enum Outcome {
    Filtered,
    Submitted,
    /// Counted in the overflow map.
    Overflowed,
    /// Lost.
    RingFull,
    MapFull,
}

impl Outcome {
    /// The counter of `ngraph_common::count` that it adds to.
    #[inline(always)]
    pub fn column(&self) -> u32 {
        match self {
            Self::Filtered => count::FILTERED,
            Self::Submitted => count::SUBMITTED,
            Self::Overflowed => count::OVERFLOWED,
            Self::RingFull => count::RING_FULL,
            Self::MapFull => count::MAP_FULL,
        }
    }
}

/// Runs a hook's work and counts it, once as seen and once as what became of it.
#[inline(always)]
pub fn counted(hook: u8, work: impl FnOnce() -> Outcome) -> i32 {
    // Looked up once: a program stays on its processor.
    let Some(counters) = counters() else {
        return 0;
    };
    // SAFETY: as in `count`.
    unsafe { add_one(counters.add(count::index(hook, count::SEEN))) };
    let column = work().column();
    // SAFETY: as in `count`.
    unsafe { add_one(counters.add(count::index(hook, column))) };
    0
}

/// Tells the user side what a hook saw of a connection at `now_ns`.
#[inline(always)]
pub fn emit(
    hook: u8,
    kind: u8,
    sock: SockAddress,
    entry: &Entry,
    now_ns: u64,
    flow: &Flow,
    error: u32,
) -> Outcome {
    let Some(mut record) = EVENTS.reserve::<FlowEvent>(0) else {
        return overflow(kind, entry.role(), Some(flow), error);
    };
    // Filled in place: a copy on the stack doesn't fit beside what the hooks keep there.
    let event = record.as_mut_ptr();
    // SAFETY: the ring handed out room for one event, aligned to 8; zero is a value of it.
    let event = unsafe {
        event.write_bytes(0, 1);
        &mut *event
    };
    event.sock = sock;
    event.opened_ns = entry.opened_ns;
    event.age_us = age_us(entry, now_ns);
    event.cgroup = entry.cgroup;
    event.tgid = entry.tgid();
    event.comm = entry.comm;
    event.kind = kind;
    event.hook = hook;
    event.role = entry.role();
    event.error = error;
    flow.write_to(event);
    debug!((), "hook {} kind {} sock {:x}", hook, kind, sock);
    record.submit(wakeup());
    Outcome::Submitted
}

/// How long it is since a connection was first seen. One that wasn't has no age.
#[inline(always)]
fn age_us(entry: &Entry, now_ns: u64) -> u32 {
    if entry.opened_ns == 0 {
        return 0;
    }
    let age_us = now_ns.saturating_sub(entry.opened_ns) / 1_000;
    age_us.min(AGE_MOST.into()) as u32
}

/// A connection that is over needs no more than its identity and its owner.
#[inline(always)]
pub fn emit_end(hook: u8, sock: SockAddress, entry: &Entry, now_ns: u64) -> Outcome {
    let Some(mut record) = EVENTS.reserve::<EndEvent>(0) else {
        return overflow(kind::CLOSE, entry.role(), None, 0);
    };
    record.write(EndEvent {
        sock,
        opened_ns: entry.opened_ns,
        cgroup: entry.cgroup,
        age_us: age_us(entry, now_ns),
        tgid: entry.tgid(),
        comm: entry.comm,
        hook,
        role: entry.role(),
        _pad: [0; 6],
    });
    debug!((), "hook {} end of sock {:x}", hook, sock);
    record.submit(wakeup());
    Outcome::Submitted
}

/// The user side drains on a timer, since a wake-up costs twenty times the event itself;
/// it is woken only where the ring passes half full.
#[inline(always)]
fn wakeup() -> u64 {
    let waiting = EVENTS.query(BPF_RB_AVAIL_DATA.into());
    let half = u64::from(RING_BYTES.load() / 2);
    if waiting >= half && waiting < half + u64::from(MARK_BYTES.load()) {
        BPF_RB_FORCE_WAKEUP.into()
    } else {
        BPF_RB_NO_WAKEUP.into()
    }
}

/// Adds one to a counter of `ngraph_common::count`.
#[inline(always)]
pub fn count(hook: u8, column: u32) {
    if let Some(counters) = counters() {
        // Atomic although each processor has its own: a hook in an interrupt may nest in one
        // in a task, and newer kernels preempt probes.
        // SAFETY: the index of a hook and a column lies within the value.
        unsafe { add_one(counters.add(count::index(hook, column))) };
    }
}

/// This processor's counters.
#[inline(always)]
fn counters() -> Option<*mut u64> {
    // SAFETY: the helper takes nothing and can't fail.
    let processor = unsafe { bpf_get_smp_processor_id() };
    COUNTERS.get_ptr_mut(processor).map(<*mut count::Counters>::cast)
}

/// Adds one, atomically. An instruction of its own, since core has no fetch_add for this
/// target, and one that fetches needs Linux 5.12.
///
/// # Safety
/// `sum` is in the value of a map, aligned.
#[inline(always)]
pub unsafe fn add_one(sum: *mut u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!("lock *(u64 *)({sum} + 0) += {one}", sum = in(reg) sum, one = in(reg) 1u64);
    }
}
