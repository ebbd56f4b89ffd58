//! The record that crosses the ring buffer, and the proofs that both sides read it alike.

use core::mem::{align_of, offset_of, size_of};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What one hook saw of one connection.
///
/// Addresses are 16 bytes in network order, IPv4 as IPv4-mapped IPv6; ports are in host
/// order.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct FlowEvent {
    /// Address of the `struct sock`: with `opened_ns` the connection's identity.
    pub sock: u64,
    /// When the hooks first saw this connection, in nanoseconds of `CLOCK_BOOTTIME`; 0: it is
    /// older than the hooks.
    pub opened_ns: u64,
    /// Interface that the socket is bound to: each link has link-local addresses of its own.
    /// 0: none.
    pub link: u32,
    /// Padding; zero.
    pub _pad_link: u32,
    /// The socket's network namespace: its inode number, or the address of its
    /// `struct net` where the kernel has no BTF.
    pub netns: u64,
    /// Control group of the owner; 0 where the owner is not known.
    pub cgroup: u64,
    /// The socket's own address.
    pub local: [u8; 16],
    /// The other end's address.
    pub peer: [u8; 16],
    /// The socket's own port; 0 where the kernel has already given it back.
    pub local_port: u16,
    /// The other end's port.
    pub peer_port: u16,
    /// Process id (thread group) of the owner in the first pid namespace; 0: not known.
    pub tgid: u32,
    /// The owner's command name, zero-padded.
    pub comm: [u8; 16],
    /// What happened: one of [`kind`].
    pub kind: u8,
    /// Which hook saw it: one of [`hook`].
    pub hook: u8,
    /// The socket's role: one of [`role`].
    pub role: u8,
    /// Padding; zero.
    pub _pad_role: u8,
    /// Why an attempt failed: the socket's error number; 0 where the kernel has none.
    pub error: u32,
}

/// Values of [`FlowEvent::kind`].
pub mod kind {
    /// A task asked for a connection: the SYN is about to leave.
    pub const CONNECT: u8 = 1;
    /// A task took an inbound connection from a listener's queue.
    pub const ACCEPT: u8 = 2;
    /// The handshake is complete.
    pub const OPEN: u8 = 3;
    /// A connection is over. Without `opened_ns` it has no identity, and with a role then it
    /// is one whose opening was counted in the overflow map.
    pub const CLOSE: u8 = 4;
    /// An outbound attempt is over without ever having been a connection. The role is
    /// unknown where it is older than the hooks or no SYN ever left.
    pub const FAIL: u8 = 5;
}

/// Values of [`FlowEvent::hook`], and rows of the counters of [`crate::count`].
pub mod hook {
    /// raw tracepoint `inet_sock_set_state`
    pub const SET_STATE: u8 = 0;
    /// kprobe `tcp_connect`
    pub const TCP_CONNECT: u8 = 1;
    /// kretprobe `inet_csk_accept`
    pub const CSK_ACCEPT: u8 = 2;
    /// kprobe `security_sock_graft`
    pub const SOCK_GRAFT: u8 = 3;
    /// program of the root control group, called by sockets for their changes of state
    pub const SOCK_OPS: u8 = 4;
    /// How many hooks there are.
    pub const COUNT: u32 = 5;
}

/// Values of [`FlowEvent::role`].
pub mod role {
    /// The hook can't tell.
    pub const UNKNOWN: u8 = 0;
    /// The socket called connect.
    pub const OUTBOUND: u8 = 1;
    /// The socket was made by a listener.
    pub const INBOUND: u8 = 2;
}

// The derives prove that there is no padding and that every bit pattern is a value; these
// pin the layout itself, for the kernel's build and the user's alike.
const _: () = {
    assert!(size_of::<FlowEvent>() == 104);
    // bpf_ringbuf_reserve() aligns records to 8.
    assert!(align_of::<FlowEvent>() == 8);
    assert!(offset_of!(FlowEvent, link) == 16);
    assert!(offset_of!(FlowEvent, netns) == 24);
    assert!(offset_of!(FlowEvent, local) == 40);
    assert!(offset_of!(FlowEvent, peer) == 56);
    assert!(offset_of!(FlowEvent, local_port) == 72);
    assert!(offset_of!(FlowEvent, tgid) == 76);
    assert!(offset_of!(FlowEvent, comm) == 80);
    assert!(offset_of!(FlowEvent, kind) == 96);
    assert!(offset_of!(FlowEvent, error) == 100);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_decodes_to_the_bytes_it_was_made_of() {
        let mut bytes = [0u8; size_of::<FlowEvent>()];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i as u8;
        }
        let event = FlowEvent::read_from_bytes(&bytes).unwrap();
        assert_eq!(event.sock, u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(event.local[0], 40);
        assert_eq!(event.peer_port, u16::from_ne_bytes([74, 75]));
        assert_eq!(event.comm[15], 95);
        assert_eq!((event.kind, event.hook, event.role), (96, 97, 98));
        assert_eq!(event.as_bytes(), bytes);
    }

    #[test]
    fn a_short_or_long_record_is_no_event() {
        let bytes = [0u8; size_of::<FlowEvent>() + 1];
        assert!(FlowEvent::read_from_bytes(&bytes).is_err());
        assert!(FlowEvent::read_from_bytes(&bytes[..size_of::<FlowEvent>() - 1]).is_err());
    }
}
