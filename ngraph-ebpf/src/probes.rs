//! What the kprobes do: who connects and who accepts. Beside the raw tracepoint they add
//! the owner to its connections; alone they are the connections.

use aya_ebpf::bindings::BPF_ANY;
use ngraph_common::event::{hook, kind, role};

use crate::{
    emit::{Outcome, emit},
    maps::{Entry, GRAFT_FOLLOWS, SOCKS, STATES_SPEAK},
    owner::{current_task, now_ns},
    sock::{SockAddress, wanted_flow},
};

/// `tcp_connect` is about to send the SYN: both addresses and ports are known.
#[inline(always)]
pub fn connecting(sock: Option<SockAddress>) -> Outcome {
    let Some(sock) = sock else {
        return Outcome::Filtered;
    };
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    if STATES_SPEAK.load() == 0 {
        let now = now_ns();
        let entry = Entry::of_current_task(now, role::OUTBOUND);
        return emit(hook::TCP_CONNECT, kind::CONNECT, sock, &entry, now, &flow, 0);
    }
    let Some(entry) = SOCKS.get_ptr_mut(sock) else {
        return Outcome::Filtered;
    };
    // SAFETY: a value of a preallocated map stays readable while the program runs; the
    // connecting task holds the socket's lock.
    let entry = unsafe { &*entry };
    emit(hook::TCP_CONNECT, kind::CONNECT, sock, entry, now_ns(), &flow, 0)
}

/// `inet_csk_accept` returns a socket, or null. The kernel has few slots for returns, each
/// held as long as accept() sleeps, so this misses accepts where many tasks wait.
#[inline(always)]
pub fn taken(sock: SockAddress) -> Outcome {
    if sock == 0 {
        return Outcome::Filtered;
    }
    if STATES_SPEAK.load() != 0 {
        return accepted(hook::CSK_ACCEPT, sock);
    }
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let now = now_ns();
    let entry = Entry::of_current_task(now, role::INBOUND);
    // Without an entry the graft that follows would report the connection again; so where
    // there's no room for one, the graft is left to report it.
    if GRAFT_FOLLOWS.load() != 0 && SOCKS.insert(sock, entry, BPF_ANY.into()).is_err() {
        return Outcome::MapFull;
    }
    emit(hook::CSK_ACCEPT, kind::ACCEPT, sock, &entry, now, &flow, 0)
}

/// `security_sock_graft` gives an accepted socket to its descriptor: an entry probe behind
/// the wait, which misses nothing.
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/af_inet.c>
#[inline(always)]
pub fn grafted(sock: Option<SockAddress>) -> Outcome {
    let Some(sock) = sock else {
        return Outcome::Filtered;
    };
    if STATES_SPEAK.load() != 0 {
        return accepted(hook::SOCK_GRAFT, sock);
    }
    if let Some(entry) = SOCKS.get_ptr_mut(sock) {
        // SAFETY: a value of a preallocated map stays readable while the program runs.
        let task = unsafe { (*entry).task };
        let _ = SOCKS.remove(sock);
        // Another task's entry is one whose graft was missed.
        if task == current_task() {
            return Outcome::Filtered;
        }
    }
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    let now = now_ns();
    let entry = Entry::of_current_task(now, role::INBOUND);
    emit(hook::SOCK_GRAFT, kind::ACCEPT, sock, &entry, now, &flow, 0)
}

/// Gives a connection of the raw tracepoint's its owner: the first hook that sees it
/// accepted reports, the second finds it owned. One that died before it was accepted has
/// left the map.
#[inline(always)]
fn accepted(hook: u8, sock: SockAddress) -> Outcome {
    let Some(entry) = SOCKS.get_ptr_mut(sock) else {
        return Outcome::Filtered;
    };
    // SAFETY: a value of a preallocated map stays readable and writable while the program
    // runs; only the accepting task writes these fields of an inbound connection.
    let entry = unsafe { &mut *entry };
    if !entry.is_inbound() || entry.task != 0 {
        return Outcome::Filtered;
    }
    let Some(flow) = wanted_flow(sock) else {
        return Outcome::Filtered;
    };
    entry.take_owner();
    emit(hook, kind::ACCEPT, sock, entry, now_ns(), &flow, 0)
}
