//! The one place that reads kernel memory: a socket's addresses, namespace, protocol, error.

use core::mem::{MaybeUninit, offset_of};

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use ngraph_common::{
    called,
    event::FlowEvent,
    names::ABSENT,
    sock_common::{SockCommon, SockCommonV6, V6},
};

use crate::maps::{
    CALLED, CB_FLAGS, INET_SPORT, NET_INUM, ONLY_NETNS, SK_ERR, SK_PROTOCOL, SOCKET_SK,
};

/// Address of a kernel `struct sock`, as a hook was handed it.
pub type SockAddress = u64;

/// What a socket says of its connection, in the record's notation. Small, since every hook
/// has one on its stack, and all stacks of a call are 512 bytes together before Linux 6.13.
#[derive(Clone, Copy, Default)]
pub struct Flow {
    pub netns: u64,
    pub link: u32,
    pub local: [u8; 16],
    pub peer: [u8; 16],
    pub local_port: u16,
    pub peer_port: u16,
    /// The TCP state; at a change of it, the one before.
    pub state: u8,
}

impl Flow {
    /// Writes namespace, interface, addresses and ports into the record.
    #[inline(always)]
    pub fn write_to(&self, event: &mut FlowEvent) {
        event.netns = self.netns;
        event.link = self.link;
        event.local = self.local;
        event.peer = self.peer;
        event.local_port = self.local_port;
        event.peer_port = self.peer_port;
    }
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// Reads a socket's flow; `None` where it isn't TCP or not of a namespace that is wanted.
///
/// The address family and the protocol are looked at first: `security_sock_graft` sees
/// AF_UNIX sockets too, and the state changes of MPTCP's own socket (protocol 262) would
/// count each of its connections twice. The `struct proto` would not do: kTLS and sockmap
/// replace it.
#[inline(always)]
pub fn wanted_flow(sock: SockAddress) -> Option<Flow> {
    let mut flow = Flow::default();
    if read_wanted(sock, &mut flow) { Some(flow) } else { None }
}

/// Not inlined: what it reads lies on a stack of its own, which is free again when it returns.
#[inline(never)]
fn read_wanted(sock: SockAddress, flow: &mut Flow) -> bool {
    let mut head = MaybeUninit::<SockCommon>::uninit();
    // SAFETY: plain integers.
    let Some(head) = (unsafe { read_into(sock, &mut head) }) else {
        return false;
    };
    if head.family != AF_INET && head.family != AF_INET6 {
        return false;
    }
    if let Some(protocol) = read_at::<u16>(sock, SK_PROTOCOL.load())
        && protocol != IPPROTO_TCP
    {
        return false;
    }
    flow.netns = match NET_INUM.load() {
        ABSENT => head.net,
        offset => match read::<u32>(head.net, offset) {
            Some(inum) => inum.into(),
            None => return false,
        },
    };
    let only = ONLY_NETNS.load();
    if only != 0 && only != flow.netns {
        return false;
    }
    flow.link = head.bound_dev_if as u32;
    flow.local_port = match head.num {
        // Given back already, as always at CLOSE; struct inet_sock still has it.
        0 => u16::from_be(read_at::<u16>(sock, INET_SPORT.load()).unwrap_or(0)),
        port => port,
    };
    flow.peer_port = u16::from_be_bytes(head.dport);
    flow.state = head.state;
    // A v6 socket may have rubbish in the v4 fields, so only a v4 one is asked for them.
    if head.family == AF_INET {
        flow.local = mapped_v6(head.rcv_saddr);
        flow.peer = mapped_v6(head.daddr);
    } else {
        let mut addresses = MaybeUninit::<SockCommonV6>::uninit();
        // SAFETY: plain integers.
        let Some(addresses) = (unsafe { read_into(sock + V6 as u64, &mut addresses) }) else {
            return false;
        };
        flow.local = addresses.rcv_saddr;
        flow.peer = addresses.daddr;
    }
    true
}

/// The socket's pending error number; 0: none, or not to be read on this kernel. A client that
/// asks for it (SO_ERROR) before the socket closes takes it away, and nothing else in the
/// socket tells: before Linux 6.10 clients are woken in between, and since then one that looks
/// all the time may still be as quick.
/// (`tcp_v4_err`, `tcp_write_err`, `tcp_done_with_error`)
/// <https://github.com/torvalds/linux/blob/v6.9/net/ipv4/tcp_ipv4.c>
/// <https://github.com/torvalds/linux/blob/v6.10/net/ipv4/tcp_input.c>
#[inline(always)]
pub fn error(sock: SockAddress) -> u32 {
    read_at::<i32>(sock, SK_ERR.load()).unwrap_or(0).unsigned_abs()
}

/// Whether a SYN of an attempt has left. Before it does, a socket gets a port, if it isn't bound to
/// one, and its hash with its place in the table of connections, if nobody else has these addresses
/// and ports (`__inet_check_established`). Unbound it loses its port again, but keeps the hash.
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/inet_hashtables.c>
#[inline(always)]
pub fn was_sent(sock: SockAddress, flow: &Flow) -> bool {
    let has_port = flow.local_port != 0 || INET_SPORT.load() == ABSENT;
    let hash = read::<u32>(sock, offset_of!(SockCommon, hash) as u32);
    has_port && hash.is_none_or(|hash| hash != 0)
}

/// Whether a socket has its port still: one that closes has given it back (`tcp_set_state`), but
/// for a listener's child that was never among the connections.
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp.c>
#[inline(always)]
pub fn keeps_port(sock: SockAddress) -> bool {
    read::<u16>(sock, offset_of!(SockCommon, num) as u32).is_some_and(|port| port != 0)
}

/// `BPF_SOCK_OPS_STATE_CB_FLAG`: the socket calls its control group's programs at each change
/// of its state.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/bpf.h>
pub const CALLS_AT_CHANGES: u8 = 1 << 2;

/// What of a socket's changes is left to the control group's program: one of `called`.
#[inline(always)]
pub fn left_to_cgroup(sock: SockAddress) -> u32 {
    let left = CALLED.get(0).copied().unwrap_or(called::NOTHING);
    if left == called::NOTHING {
        return left;
    }
    match read_at::<u8>(sock, CB_FLAGS.load()) {
        Some(flags) if flags & CALLS_AT_CHANGES != 0 => left,
        _ => called::NOTHING,
    }
}

/// The `struct sock` behind a `struct socket`, as a file has it.
#[inline(always)]
pub fn of_socket(socket: u64) -> Option<SockAddress> {
    read_at::<u64>(socket, SOCKET_SK.load()).filter(|&sock| sock != 0)
}

#[inline(always)]
fn mapped_v6(v4: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

/// Reads a field whose offset BTF told, if it did.
#[inline(always)]
fn read_at<T>(base: u64, offset: u32) -> Option<T> {
    if offset == ABSENT { None } else { read(base, offset) }
}

/// Reads what is too large to be handed around.
///
/// # Safety
/// Any bytes are a `T`.
#[inline(always)]
unsafe fn read_into<T>(address: u64, room: &mut MaybeUninit<T>) -> Option<&T> {
    let (to, size) = (room.as_mut_ptr().cast(), size_of::<T>() as u32);
    // SAFETY: the helper checks the address it reads from, and writes all of `room` or fails.
    unsafe {
        if generated::bpf_probe_read_kernel(to, size, address as *const _) != 0 {
            return None;
        }
        Some(room.assume_init_ref())
    }
}

#[inline(always)]
fn read<T>(base: u64, offset: u32) -> Option<T> {
    // SAFETY: the helper checks the address itself and fails on a bad one; every T read
    // here is plain integers, for which any bytes are a value.
    unsafe { bpf_probe_read_kernel((base + u64::from(offset)) as *const T) }.ok()
}
