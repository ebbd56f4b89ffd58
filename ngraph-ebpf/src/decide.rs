//! Which change of a socket's state means what. Pure, so that the host can test it.

use ngraph_common::event::{kind, role};

/// States of a TCP socket.
/// <https://github.com/torvalds/linux/blob/v6.12/include/net/tcp_states.h>
pub mod tcp {
    pub const ESTABLISHED: i32 = 1;
    pub const SYN_SENT: i32 = 2;
    pub const SYN_RECV: i32 = 3;
    pub const FIN_WAIT1: i32 = 4;
    pub const FIN_WAIT2: i32 = 5;
    pub const CLOSE: i32 = 7;
    pub const CLOSE_WAIT: i32 = 8;
    pub const LAST_ACK: i32 = 9;
    pub const CLOSING: i32 = 11;
}

/// What a change of state is the sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to us.
    Nothing,
    /// The socket's task asks for a connection.
    Attempt,
    /// It is a connection from here on; the role as far as this change tells it.
    Open(u8),
    /// The socket is a connection or an attempt no more.
    Gone,
    /// The same before its handshake is complete: an attempt if it has one, and else a
    /// listener's child, which opens and goes by this change.
    GoneHalfOpen,
}

/// Reads a change of state.
///
/// LISTEN -> SYN_RECV still shows the listener's addresses, so an inbound connection is
/// seen at SYN_RECV -> ESTABLISHED; on a socket that had SYN_SENT that change is a
/// simultaneous open, whose role the socket map remembers. A fast-open child may be accepted
/// and closed while it is SYN_RECV: it goes on without ESTABLISHED, or dies at once. The kernel
/// has counted it (`PassiveOpens`) when it was made. TIME_WAIT is never traced: FIN_WAIT2 -> CLOSE is the
/// socket making way for its stand-in.
/// (`new_state`) <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp.c>
#[inline(always)]
pub fn step(old: i32, new: i32) -> Step {
    match (old, new) {
        (old, new) if old == new => Step::Nothing,
        (_, tcp::SYN_SENT) => Step::Attempt,
        (tcp::SYN_SENT, tcp::ESTABLISHED) => Step::Open(role::OUTBOUND),
        (tcp::SYN_RECV, tcp::ESTABLISHED | tcp::FIN_WAIT1) => Step::Open(role::INBOUND),
        (tcp::SYN_RECV, tcp::CLOSE) => Step::GoneHalfOpen,
        (
            tcp::ESTABLISHED
            | tcp::SYN_SENT
            | tcp::FIN_WAIT1
            | tcp::FIN_WAIT2
            | tcp::CLOSE_WAIT
            | tcp::LAST_ACK
            | tcp::CLOSING,
            tcp::CLOSE,
        ) => Step::Gone,
        _ => Step::Nothing,
    }
}

/// What to report of a socket that is gone and not in the map: one older than the hooks, or
/// one that the map had no room for.
#[inline(always)]
pub fn unknown_gone(old: i32) -> u8 {
    match old {
        tcp::SYN_SENT => kind::FAIL,
        _ => kind::CLOSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTEN: i32 = 10;

    #[test]
    fn an_outbound_connection_opens_once_and_goes_once() {
        let path = [
            tcp::CLOSE,
            tcp::SYN_SENT,
            tcp::ESTABLISHED,
            tcp::FIN_WAIT1,
            tcp::FIN_WAIT2,
            tcp::CLOSE,
        ];
        let steps: Vec<Step> = path.windows(2).map(|w| step(w[0], w[1])).collect();
        let open = Step::Open(role::OUTBOUND);
        assert_eq!(steps, [Step::Attempt, open, Step::Nothing, Step::Nothing, Step::Gone]);
    }

    #[test]
    fn an_inbound_connection_opens_at_established_and_not_at_syn_recv() {
        let path =
            [LISTEN, tcp::SYN_RECV, tcp::ESTABLISHED, tcp::CLOSE_WAIT, tcp::LAST_ACK, tcp::CLOSE];
        let steps: Vec<Step> = path.windows(2).map(|w| step(w[0], w[1])).collect();
        let open = Step::Open(role::INBOUND);
        assert_eq!(steps, [Step::Nothing, open, Step::Nothing, Step::Nothing, Step::Gone]);
    }

    #[test]
    fn an_inbound_connection_closed_while_half_open_opens_once_and_goes_once() {
        let path = [LISTEN, tcp::SYN_RECV, tcp::FIN_WAIT1, tcp::FIN_WAIT2, tcp::CLOSE];
        let steps: Vec<Step> = path.windows(2).map(|w| step(w[0], w[1])).collect();
        assert_eq!(steps, [Step::Nothing, Step::Open(role::INBOUND), Step::Nothing, Step::Gone]);
    }

    #[test]
    fn listeners_and_changes_to_the_same_state_mean_nothing() {
        for (old, new) in [
            (tcp::CLOSE, LISTEN),
            (LISTEN, tcp::CLOSE),
            (LISTEN, tcp::ESTABLISHED),
            (tcp::CLOSE, tcp::CLOSE),
            (tcp::FIN_WAIT1, tcp::FIN_WAIT1),
        ] {
            assert_eq!(step(old, new), Step::Nothing, "{old} -> {new}");
        }
    }

    #[test]
    fn what_is_gone_and_unknown_was_an_attempt_only_in_syn_sent() {
        assert_eq!(unknown_gone(tcp::SYN_SENT), kind::FAIL);
        assert_eq!(unknown_gone(tcp::SYN_RECV), kind::CLOSE);
        assert_eq!(unknown_gone(tcp::CLOSE_WAIT), kind::CLOSE);
    }

    #[test]
    fn a_half_open_child_that_dies_has_been_counted_by_the_kernel() {
        let path = [LISTEN, tcp::SYN_RECV, tcp::CLOSE];
        let steps: Vec<Step> = path.windows(2).map(|w| step(w[0], w[1])).collect();
        assert_eq!(steps, [Step::Nothing, Step::GoneHalfOpen]);
    }
}
