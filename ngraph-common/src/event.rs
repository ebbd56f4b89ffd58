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
    /// How long after `opened_ns` this happened, in microseconds, which [`AGE_MOST`] is the most
    /// of; 0 where that is 0.
    pub age_us: u32,
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

/// What is left to say of a connection that is over and whose opening was told of: a
/// [`kind::CLOSE`] by its identity and owner. Half of all records are one, so it takes no more
/// room than it needs.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct EndEvent {
    /// As in [`FlowEvent`].
    pub sock: u64,
    /// As in [`FlowEvent`].
    pub opened_ns: u64,
    /// As in [`FlowEvent`].
    pub cgroup: u64,
    /// As in [`FlowEvent`].
    pub age_us: u32,
    /// As in [`FlowEvent`].
    pub tgid: u32,
    /// As in [`FlowEvent`].
    pub comm: [u8; 16],
    /// As in [`FlowEvent`].
    pub hook: u8,
    /// As in [`FlowEvent`].
    pub role: u8,
    /// Padding; zero.
    pub _pad: [u8; 6],
}

/// Reads a record of the ring buffer, which its size tells the kind of: a whole one where it
/// lies, an end by way of `room`. `None`: it is neither.
pub fn read<'a>(record: &'a [u8], room: &'a mut FlowEvent) -> Option<&'a FlowEvent> {
    if let Ok(event) = FlowEvent::ref_from_bytes(record) {
        return Some(event);
    }
    let &EndEvent { sock, opened_ns, cgroup, age_us, tgid, comm, hook, role, _pad } =
        EndEvent::ref_from_bytes(record).ok()?;
    *room = FlowEvent {
        sock,
        opened_ns,
        age_us,
        cgroup,
        tgid,
        comm,
        kind: kind::CLOSE,
        hook,
        role,
        ..FlowEvent::default()
    };
    Some(room)
}

/// A [`FlowEvent::age_us`] of so much, 71 minutes, or more.
pub const AGE_MOST: u32 = u32::MAX;

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
    /// unknown where it is older than the hooks, found no room in the socket map, or no SYN
    /// ever left.
    pub const FAIL: u8 = 5;
    /// Of a listener that two processors made a socket for out of one handshake, the one that
    /// came too late: no connection, and counted by the kernel as one (`PassiveOpens`).
    pub const SPARE: u8 = 6;
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
    assert!(offset_of!(FlowEvent, age_us) == 20);
    assert!(offset_of!(FlowEvent, netns) == 24);
    assert!(offset_of!(FlowEvent, local) == 40);
    assert!(offset_of!(FlowEvent, peer) == 56);
    assert!(offset_of!(FlowEvent, local_port) == 72);
    assert!(offset_of!(FlowEvent, tgid) == 76);
    assert!(offset_of!(FlowEvent, comm) == 80);
    assert!(offset_of!(FlowEvent, kind) == 96);
    assert!(offset_of!(FlowEvent, error) == 100);
    // With what the ring buffer adds it fills a cache line.
    assert!(size_of::<EndEvent>() == 56);
    assert!(align_of::<EndEvent>() == 8);
    assert!(offset_of!(EndEvent, opened_ns) == 8);
    assert!(offset_of!(EndEvent, cgroup) == 16);
    assert!(offset_of!(EndEvent, age_us) == 24);
    assert!(offset_of!(EndEvent, tgid) == 28);
    assert!(offset_of!(EndEvent, comm) == 32);
    assert!(offset_of!(EndEvent, hook) == 48);
    assert!(offset_of!(EndEvent, role) == 49);
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
    fn a_whole_record_is_read_where_it_lies() {
        let event = FlowEvent { sock: 7, kind: kind::OPEN, ..FlowEvent::default() };
        let mut room = FlowEvent::default();
        assert_eq!(read(event.as_bytes(), &mut room), Some(&event));
        assert_eq!(room, FlowEvent::default());
    }

    #[test]
    fn an_end_is_read_as_the_close_of_its_connection_and_nothing_else() {
        let (sock, opened_ns, cgroup, age_us, tgid, comm) = (7, 8, 9, 10, 11, [12; 16]);
        let (kind, hook, role) = (kind::CLOSE, hook::SOCK_OPS, role::INBOUND);
        let _pad = [0; 6];
        let end = EndEvent { sock, opened_ns, cgroup, age_us, tgid, comm, hook, role, _pad };
        let none = FlowEvent::default();
        let close =
            FlowEvent { sock, opened_ns, cgroup, age_us, tgid, comm, kind, hook, role, ..none };
        // What was read before leaves nothing behind.
        let mut room = FlowEvent { netns: 5, tgid: 6, local: [1; 16], ..FlowEvent::default() };
        assert_eq!(read(end.as_bytes(), &mut room), Some(&close));
    }

    #[test]
    fn a_record_of_another_size_is_no_event() {
        let bytes = [0u64; size_of::<FlowEvent>() / 8 + 1];
        let sizes = [size_of::<EndEvent>(), size_of::<FlowEvent>()];
        for size in (0..=size_of_val(&bytes)).filter(|size| !sizes.contains(size)) {
            assert_eq!(read(&bytes.as_bytes()[..size], &mut FlowEvent::default()), None, "{size}");
        }
    }
}
