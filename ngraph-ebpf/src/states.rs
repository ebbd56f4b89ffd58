//! What the raw tracepoint does: a connection's life from its socket's changes of state.

use aya_ebpf::bindings::BPF_ANY;
use ngraph_common::event::{hook::SET_STATE, kind, role};

use crate::{
    decide::{Step, step, unknown_gone},
    emit::{Outcome, emit, emit_close},
    maps::{Entry, SOCKS},
    owner::now_ns,
    sock::{self, SockAddress, wanted_flow},
    witness::Taken,
};

/// Which of the two programs sees a change, see `witness`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The one that sees every change it isn't kept from.
    First,
    /// The one behind it, which may see a change that the first has taken: what it finds
    /// done already, it leaves.
    Second,
}

/// A socket goes from one state to another.
#[inline(always)]
pub fn changed(change: Taken, witness: Witness) -> Outcome {
    let Taken { sock, old, new } = change;
    match step(old, new) {
        Step::Nothing => Outcome::Filtered,
        Step::Attempt => attempt(sock),
        Step::Open(role) => open(sock, role, witness),
        Step::Gone => gone(sock, old, witness),
    }
}

/// The change to SYN_SENT runs in the connecting task, so the owner is taken here. It is
/// no event yet: the source port isn't chosen, or is the one before on a socket used again.
#[inline(always)]
fn attempt(sock: SockAddress) -> Outcome {
    if wanted_flow(sock).is_none() {
        return Outcome::Filtered;
    }
    let entry = Entry::of_current_task(now_ns(), role::OUTBOUND);
    match SOCKS.insert(sock, entry, BPF_ANY.into()) {
        Ok(()) => Outcome::Filtered,
        Err(_) => Outcome::MapFull,
    }
}

#[inline(always)]
fn open(sock: SockAddress, role: u8, witness: Witness) -> Outcome {
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    if let Some(entry) = SOCKS.get_ptr_mut(sock) {
        // SAFETY: a value of a preallocated map stays readable while the program runs; the
        // socket's own lock keeps other state changes of it away.
        let entry = unsafe { &mut *entry };
        if entry.is_open == 0 {
            entry.is_open = 1;
            return emit(SET_STATE, kind::OPEN, sock, entry, Some(&flow), 0);
        }
        // To the first witness, one that is open already belongs to a connection whose end
        // was missed.
        if witness == Witness::Second {
            return Outcome::Filtered;
        }
    }
    let mut entry = Entry::unowned(now_ns(), role);
    entry.is_open = 1;
    match SOCKS.insert(sock, entry, BPF_ANY.into()) {
        Ok(()) => emit(SET_STATE, kind::OPEN, sock, &entry, Some(&flow), 0),
        Err(_) => Outcome::MapFull,
    }
}

#[inline(always)]
fn gone(sock: SockAddress, old: i32, witness: Witness) -> Outcome {
    let Some(entry) = SOCKS.get_ptr_mut(sock) else {
        return match witness {
            Witness::First => gone_unknown(sock, old),
            Witness::Second => Outcome::Filtered,
        };
    };
    // SAFETY: as in `open`; the copy outlives the removal.
    let entry = unsafe { *entry };
    let _ = SOCKS.remove(sock);
    if entry.is_open != 0 {
        return emit_close(SET_STATE, sock, &entry);
    }
    let flow = wanted_flow(sock);
    emit(SET_STATE, kind::FAIL, sock, &entry, flow.as_ref(), sock::error(sock))
}

/// The user side knows a connection older than the hooks by its addresses.
#[inline(always)]
fn gone_unknown(sock: SockAddress, old: i32) -> Outcome {
    let Some(kind) = unknown_gone(old) else {
        return Outcome::Filtered;
    };
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let entry = Entry::unowned(0, role::UNKNOWN);
    emit(SET_STATE, kind, sock, &entry, Some(&flow), sock::error(sock))
}
