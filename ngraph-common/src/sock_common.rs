//! The head of the kernel's `struct sock`, as it lies on every kernel we run on.

use core::mem::{offset_of, size_of};

/// The first 56 bytes of `struct sock_common`, which every `struct sock` begins with: its first
/// cache line, where snapshots of many sockets come by each for the first time.
///
/// They lie alike from Linux 5.8 to 7.2, on x86_64 and aarch64, where CONFIG_NET_NS and
/// CONFIG_IPV6 are set; the user side compares [`FIELDS`] with the running kernel's BTF
/// before it trusts them.
/// <https://github.com/torvalds/linux/blob/v6.12/include/net/sock.h>
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SockCommon {
    /// IPv4 address of the other end, network order.
    pub daddr: [u8; 4],
    /// Own IPv4 address, network order.
    pub rcv_saddr: [u8; 4],
    /// Hash of the table of connections; 0 until the socket was in it once.
    pub hash: u32,
    /// Port of the other end, network order.
    pub dport: [u8; 2],
    /// Own port, host order; 0 once it is given back.
    pub num: u16,
    /// Address family.
    pub family: u16,
    /// TCP state.
    pub state: u8,
    /// Reuse bits.
    pub reuse: u8,
    /// Interface that the socket is bound to, as a link-local address has it; 0: none.
    pub bound_dev_if: i32,
    /// Links of the bind table.
    pub bind_node: [u64; 2],
    /// Address of the `struct proto`.
    pub prot: u64,
    /// Address of the `struct net`.
    pub net: u64,
}

/// What follows it, of sockets of AF_INET6 alone.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SockCommonV6 {
    /// IPv6 address of the other end.
    pub daddr: [u8; 16],
    /// Own IPv6 address.
    pub rcv_saddr: [u8; 16],
}

/// Where it lies in `struct sock_common`.
pub const V6: usize = size_of::<SockCommon>();

/// Fields that are relied on: their path in the kernel's `struct sock_common`, and where
/// [`SockCommon`] has them.
pub const FIELDS: [(&str, usize); 10] = [
    ("skc_daddr", offset_of!(SockCommon, daddr)),
    ("skc_rcv_saddr", offset_of!(SockCommon, rcv_saddr)),
    ("skc_hash", offset_of!(SockCommon, hash)),
    ("skc_dport", offset_of!(SockCommon, dport)),
    ("skc_num", offset_of!(SockCommon, num)),
    ("skc_family", offset_of!(SockCommon, family)),
    ("skc_bound_dev_if", offset_of!(SockCommon, bound_dev_if)),
    ("skc_net", offset_of!(SockCommon, net)),
    ("skc_v6_daddr", V6 + offset_of!(SockCommonV6, daddr)),
    ("skc_v6_rcv_saddr", V6 + offset_of!(SockCommonV6, rcv_saddr)),
];

/// One more, for snapshots by the iterator alone.
pub const STATE: (&str, usize) = ("skc_state", offset_of!(SockCommon, state));

const _: () = {
    assert!(size_of::<SockCommon>() == 56);
    assert!(offset_of!(SockCommon, hash) == 8);
    assert!(offset_of!(SockCommon, dport) == 12);
    assert!(offset_of!(SockCommon, num) == 14);
    assert!(offset_of!(SockCommon, family) == 16);
    assert!(offset_of!(SockCommon, bound_dev_if) == 20);
    assert!(offset_of!(SockCommon, net) == 48);
    assert!(offset_of!(SockCommonV6, rcv_saddr) == 16);
};
