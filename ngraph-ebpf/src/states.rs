//! What the raw tracepoint and the control group's program do: a connection's life from its
//! socket's changes of state.

use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use ngraph_common::{
    called, count,
    event::{hook, kind, role},
};

use crate::{
    decide::{Step, unknown_gone},
    emit::{Outcome, count, emit, emit_end},
    maps::{Entry, SOCKS, phase},
    owner::now_ns,
    sock::{self, Flow, SockAddress, wanted_flow},
    witness::Taken,
};

/// Which of the programs sees a change, see `witness`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The one that sees every change it isn't kept from.
    First,
    /// One behind it, or behind the control group's, which may see a change that the one before
    /// has taken: what it finds done already, it leaves.
    Second,
    /// The control group's. What it is called for, the two others leave to it.
    Cgroup,
}

impl Witness {
    /// The hook whose counters and name go with it.
    #[inline(always)]
    fn hook(self) -> u8 {
        match self {
            Self::First | Self::Second => hook::SET_STATE,
            Self::Cgroup => hook::SOCK_OPS,
        }
    }
}

/// A socket goes from one state to another, which is a `step`.
#[inline(always)]
pub fn changed(change: Taken, step: Step, witness: Witness) -> Outcome {
    let Taken { sock, old, .. } = change;
    let witness = match witness {
        Witness::Cgroup => witness,
        _ => match sock::left_to_cgroup(sock) {
            called::ALL => return Outcome::Filtered,
            // A socket calls before it changes.
            called::WHAT_IT_TOLD => Witness::Second,
            _ => witness,
        },
    };
    if step == Step::GoneHalfOpen && witness == Witness::First && is_spare(sock) {
        return spare(sock);
    }
    match step {
        Step::Nothing => Outcome::Filtered,
        Step::Attempt => attempt(sock, witness),
        Step::Open(role) => open(sock, role, witness),
        Step::Gone => gone(sock, old, witness),
        // To the second witness, one that isn't known may be one that the first has told of.
        Step::GoneHalfOpen if witness != Witness::Second && phase_of(sock).is_none() => {
            opened_and_gone(sock, witness)
        }
        Step::GoneHalfOpen => gone(sock, old, witness),
    }
}

/// The change to SYN_SENT runs in the connecting task, so the owner is taken here. It is
/// no event yet: the source port isn't chosen, or is the one before on a socket used again.
#[inline(always)]
pub fn attempt(sock: SockAddress, witness: Witness) -> Outcome {
    if wanted_flow(sock).is_none() {
        return Outcome::Filtered;
    }
    if witness != Witness::First && phase_of(sock) == Some(phase::ATTEMPT) {
        return Outcome::Filtered;
    }
    let entry = Entry::of_current_task(now_ns(), role::OUTBOUND);
    // Without room it has no owner, and what becomes of it is told all the same.
    if SOCKS.insert(sock, entry, BPF_ANY.into()).is_ok() {
        count(witness.hook(), count::BEGUN);
    }
    Outcome::Filtered
}

#[inline(always)]
fn open(sock: SockAddress, role: u8, witness: Witness) -> Outcome {
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let hook = witness.hook();
    let now = now_ns();
    let mut fresh = Entry::unowned(now, role, phase::TOLD);
    // A listener's child is nearly always new to the map, so entering it is the first look.
    if role == role::INBOUND && SOCKS.insert(sock, fresh, BPF_NOEXIST.into()).is_ok() {
        return tell_fresh(hook, sock, &fresh, &flow);
    }
    if let Some(entry) = SOCKS.get_ptr_mut(sock) {
        // SAFETY: a value of a preallocated map stays readable while the program runs; the
        // socket's own lock keeps other state changes of it away.
        let entry = unsafe { &mut *entry };
        if entry.phase == phase::ATTEMPT {
            count(hook, count::ENDED);
            let outcome = emit(hook, kind::OPEN, sock, entry, now, &flow, 0);
            entry.phase = phase_after(&outcome);
            return outcome;
        }
        // To the first witness, one that is open already belongs to a connection whose end
        // was missed.
        if witness == Witness::Second {
            return Outcome::Filtered;
        }
    }
    if SOCKS.insert(sock, fresh, BPF_ANY.into()).is_ok() {
        return tell_fresh(hook, sock, &fresh, &flow);
    }
    // The first may have reported it without leaving a trace.
    if witness == Witness::Second {
        return Outcome::MapFull;
    }
    count(hook, count::UNNAMED);
    fresh.opened_ns = 0;
    emit(hook, kind::OPEN, sock, &fresh, now, &flow, 0)
}

/// Tells of a connection that has been entered just now.
#[inline(always)]
fn tell_fresh(hook: u8, sock: SockAddress, fresh: &Entry, flow: &Flow) -> Outcome {
    let outcome = emit(hook, kind::OPEN, sock, fresh, fresh.opened_ns, flow, 0);
    let phase = phase_after(&outcome);
    if phase != phase::TOLD
        && let Some(entry) = SOCKS.get_ptr_mut(sock)
    {
        // SAFETY: as in `open`.
        unsafe { (*entry).phase = phase };
    }
    outcome
}

/// How far a connection is whose opening has been told of, or no more than counted.
#[inline(always)]
fn phase_after(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Submitted => phase::TOLD,
        _ => phase::COUNTED,
    }
}

/// One change and two things to tell, each of them counted. It needs no place in the map.
#[inline(always)]
fn opened_and_gone(sock: SockAddress, witness: Witness) -> Outcome {
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let hook = witness.hook();
    let now = now_ns();
    let mut entry = Entry::unowned(now, role::INBOUND, phase::TOLD);
    let opened = emit(hook, kind::OPEN, sock, &entry, now, &flow, 0);
    if !matches!(opened, Outcome::Submitted) {
        // It is no more than a count: its end is told by its addresses.
        entry.opened_ns = 0;
    }
    count(hook, count::SEEN);
    count(hook, opened.column());
    emit(hook, kind::CLOSE, sock, &entry, now, &flow, 0)
}

/// Where two processors take in the end of one handshake at once, each makes a socket, and the
/// kernel lets the later one go by a change that calls no control group's program.
/// (`inet_ehash_nolisten`)
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/inet_hashtables.c>
#[inline(always)]
fn is_spare(sock: SockAddress) -> bool {
    // An attempt has an entry, and keeps a port that it was bound to.
    phase_of(sock).is_none() && sock::keeps_port(sock)
}

/// It is counted, and no more: it is no connection.
#[inline(always)]
fn spare(sock: SockAddress) -> Outcome {
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let entry = Entry::unowned(0, role::INBOUND, phase::TOLD);
    emit(hook::SET_STATE, kind::SPARE, sock, &entry, 0, &flow, 0)
}

#[inline(always)]
fn gone(sock: SockAddress, old: i32, witness: Witness) -> Outcome {
    let Some(entry) = SOCKS.get_ptr_mut(sock) else {
        return match witness {
            Witness::First | Witness::Cgroup => gone_unnamed(sock, old, role::UNKNOWN, witness),
            Witness::Second => Outcome::Filtered,
        };
    };
    // SAFETY: as in `open`; the copy outlives the removal.
    let mut entry = unsafe { *entry };
    let _ = SOCKS.remove(sock);
    match entry.phase {
        phase::TOLD => emit_end(witness.hook(), sock, &entry, now_ns()),
        phase::COUNTED => gone_unnamed(sock, old, entry.role(), witness),
        _ => {
            count(witness.hook(), count::ENDED);
            let Some(flow) = wanted_flow(sock) else {
                return Outcome::Filtered;
            };
            if !sock::was_sent(sock, &flow) {
                entry.role = role::UNKNOWN.into();
            }
            let (now, error) = (now_ns(), sock::error(sock));
            emit(witness.hook(), kind::FAIL, sock, &entry, now, &flow, error)
        }
    }
}

/// The user side knows a connection that the hooks didn't name by its addresses. The role
/// tells one that was counted in the overflow map.
#[inline(always)]
fn gone_unnamed(sock: SockAddress, old: i32, role: u8, witness: Witness) -> Outcome {
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    // Without an identity it has no age either.
    let entry = Entry::unowned(0, role, phase::TOLD);
    emit(witness.hook(), unknown_gone(old), sock, &entry, 0, &flow, sock::error(sock))
}

#[inline(always)]
fn phase_of(sock: SockAddress) -> Option<u32> {
    // SAFETY: as in `open`.
    SOCKS.get_ptr(sock).map(|entry| unsafe { (*entry).phase })
}
