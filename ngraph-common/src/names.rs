//! Names by which the user side finds the kernel side's programs, maps and globals.

/// Ring buffer of [`crate::event::FlowEvent`].
pub const EVENTS: &str = "EVENTS";
/// Connections by socket address.
pub const SOCKS: &str = "SOCKS";
/// Counters, one value a processor, see [`crate::count`].
pub const COUNTERS: &str = "COUNTERS";

/// Counts of what found the ring buffer full, by [`crate::overflow::Like`].
pub const OVERFLOW: &str = "OVERFLOW";
/// `u32`: the shelf of [`OVERFLOW`] that the kernel side fills.
pub const SHELF: &str = "SHELF";

/// `u32`, one of [`crate::called`]: what the raw tracepoint leaves to the program of
/// [`crate::event::hook::SOCK_OPS`].
pub const CALLED: &str = "CALLED";

/// Programs, by [`crate::event::hook`].
pub const PROGRAMS: [&str; crate::event::hook::COUNT as usize] = [
    "inet_sock_set_state",
    "tcp_connect",
    "inet_csk_accept",
    "security_sock_graft",
    "sock_ops_states",
];

/// The second witness: the program that takes what the kernel kept from that of
/// [`crate::event::hook::SET_STATE`], attached to the same tracepoint behind it.
pub const SECOND_WITNESS: &str = "inet_sock_set_state_2";

/// The program of the iterator over open files, which writes a [`crate::held::HeldSocket`] for
/// each that is a TCP socket.
pub const HELD_SOCKETS: &str = "held_sockets";

/// `u32`: offset of `inum` in `struct net`.
pub const NET_INUM: &str = "NET_INUM";
/// `u32`: offset of `sk_protocol` in `struct sock`.
pub const SK_PROTOCOL: &str = "SK_PROTOCOL";
/// `u32`: offset of `sk_err` in `struct sock`.
pub const SK_ERR: &str = "SK_ERR";
/// `u32`: offset of `inet_sport` in `struct inet_sock`.
pub const INET_SPORT: &str = "INET_SPORT";
/// `u32`: offset of `bpf_sock_ops_cb_flags` in `struct tcp_sock`.
pub const CB_FLAGS: &str = "CB_FLAGS";
/// `u32`: offset of `sk` in `struct socket`.
pub const SOCKET_SK: &str = "SOCKET_SK";
/// Value of an offset that this kernel's BTF doesn't tell.
pub const ABSENT: u32 = u32::MAX;

/// `u64`: the one namespace to report, as in [`crate::event::FlowEvent::netns`]; 0: all.
pub const ONLY_NETNS: &str = "ONLY_NETNS";
/// `u32`: 1 where the raw tracepoint speaks for a connection's life, 0 where the probes
/// stand alone.
pub const STATES_SPEAK: &str = "STATES_SPEAK";
/// `u32`: 1 where the probe of `security_sock_graft` follows that of `inet_csk_accept`.
pub const GRAFT_FOLLOWS: &str = "GRAFT_FOLLOWS";
/// `u32`: size of [`EVENTS`] in bytes.
pub const RING_BYTES: &str = "RING_BYTES";
/// `u32`: [`crate::limits::mark_bytes`].
pub const MARK_BYTES: &str = "MARK_BYTES";
