//! What becomes of an event that finds the ring buffer full: it is counted with its like.

use aya_ebpf::bindings::BPF_NOEXIST;
use ngraph_common::{event::kind, overflow::Like};

use crate::{
    emit::{Outcome, add_one},
    maps::{OVERFLOW, SHELF, STATES_SPEAK},
    sock::Flow,
};

/// Counts an event that there was no room for. Not inlined: it's called from many places
/// and rarely.
#[inline(never)]
pub fn overflow(kind: u8, role: u8, flow: Option<&Flow>, error: u32) -> Outcome {
    let shelf = SHELF.get(0).copied().unwrap_or(0);
    let tells_edge = match kind {
        kind::OPEN | kind::FAIL | kind::SPARE => true,
        kind::CONNECT | kind::ACCEPT => STATES_SPEAK.load() == 0,
        _ => false,
    };
    let mut like = Like { kind, shelf, ..Like::default() };
    if tells_edge && let Some(flow) = flow {
        like.netns = flow.netns;
        like.local = flow.local;
        like.peer = flow.peer;
        like.error = error as u16;
        like.role = role;
    }
    if one_more(&like) || OVERFLOW.insert(like, 1, BPF_NOEXIST.into()).is_ok() || one_more(&like) {
        Outcome::Overflowed
    } else {
        Outcome::RingFull
    }
}

/// Counts one more where there is such a count. Between this and an insertion another
/// processor may have been quicker, so it's tried again.
#[inline(always)]
fn one_more(like: &Like) -> bool {
    let Some(count) = OVERFLOW.get_ptr_mut(like) else {
        return false;
    };
    // SAFETY: the value of a map, a u64. The user side takes no count out before every
    // program that may hold it has ended.
    unsafe { add_one(count) };
    true
}
