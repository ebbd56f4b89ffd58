//! The maps, each with its story, and the globals that the loader sets.

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, RingBuf},
};
use ngraph_common::{count, limits, names::ABSENT, overflow::Like};

use crate::witness::Taken;

/// One connection or attempt: its identity, and who owns it.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Entry {
    /// When it was first seen, boot time in nanoseconds: with the socket's address this is
    /// the connection's identity.
    pub opened_ns: u64,
    /// Process and thread id of its task; 0: not known.
    pub task: u64,
    /// Control group of its task.
    pub cgroup: u64,
    /// Command name of its task.
    pub comm: [u8; 16],
    /// How far it is: one of `phase`.
    pub phase: u32,
    /// One of `event::role`.
    pub role: u32,
}

/// Values of `Entry::phase`.
pub mod phase {
    /// An attempt; no event has told of it.
    pub const ATTEMPT: u32 = 0;
    /// A connection that the user side has been told of.
    pub const TOLD: u32 = 1;
    /// A connection that is no more than a count to the user side, since the ring buffer was
    /// full: its end is told by its addresses.
    pub const COUNTED: u32 = 2;
}

/// Connections by the address of their `struct sock`, so that all hooks speak of the same
/// connection and a socket used again is a new one.
///
/// With the raw tracepoint: inserted at CLOSE -> SYN_SENT (outbound) and at SYN_RECV ->
/// ESTABLISHED (inbound), removed at any -> CLOSE, read and given its owner by the probes.
/// With the probes alone: inserted when `inet_csk_accept` returns, removed by
/// `security_sock_graft` right after it in the same task.
/// When it is full, a connection gets no identity and no owner, is counted as UNNAMED and
/// told of by its addresses. Not an LRU map, which would drop live connections without a word; made at
/// once, since allocating in a hook isn't safe before Linux 6.1. The loader sets its size.
#[map]
pub static SOCKS: HashMap<u64, Entry> = HashMap::with_max_entries(1 << 14, 0);

/// What happened, for the user side: filled by `emit`, drained on a timer.
/// When it is full, the event is counted in OVERFLOW. The loader sets its size.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(limits::RING_BYTES, 0);

/// How many events of which like found the ring buffer full. Filled by `overflow`; the user
/// side turns SHELF over, waits until no program can be filling the one before, and takes
/// that out. When it is full, the event is lost and counted as RING_FULL.
#[map]
pub static OVERFLOW: HashMap<Like, u64> = HashMap::with_max_entries(limits::OVERFLOW_ENTRIES, 0);

/// The shelf of OVERFLOW that is being filled: 0 or 1. Set by the user side.
#[map]
pub static SHELF: Array<u32> = Array::with_max_entries(1, 0);

/// What is left to the control group's program: one of `ngraph_common::called`. Set by the user
/// side: sockets are marked for calling by any program, another agent's too.
#[map]
pub static CALLED: Array<u32> = Array::with_max_entries(1, 0);

/// How often each hook ran and what became of it, see `ngraph_common::count`: an element for
/// each processor, whose number the loader sets. Written by `emit`; the user side has it
/// mapped.
#[map]
pub static COUNTERS: Array<count::Counters> = Array::with_max_entries(1, count::BPF_F_MMAPABLE);

/// What the first witness has just taken, for the second to know that it did. Written and
/// read by `witness` alone.
#[map]
pub static TAKEN: PerCpuArray<Taken> = PerCpuArray::with_max_entries(1, 0);

// The names of `ngraph_common::names`.
#[unsafe(no_mangle)]
pub static NET_INUM: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static SK_PROTOCOL: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static SK_ERR: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static INET_SPORT: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static CB_FLAGS: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static SOCKET_SK: Global<u32> = Global::new(ABSENT);
#[unsafe(no_mangle)]
pub static ONLY_NETNS: Global<u64> = Global::new(0);
#[unsafe(no_mangle)]
pub static STATES_SPEAK: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub static GRAFT_FOLLOWS: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
pub static RING_BYTES: Global<u32> = Global::new(limits::RING_BYTES);
#[unsafe(no_mangle)]
pub static MARK_BYTES: Global<u32> = Global::new(limits::mark_bytes(1));
