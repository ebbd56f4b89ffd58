//! Sizes, and what they cost.

use crate::event::FlowEvent;

/// Default size of the ring buffer in bytes: some 12,000 events, of which half are ends, so a
/// stall of the user side of about 150 ms at 80,000 events a second. The kernel maps it twice,
/// so it counts twice as resident.
pub const RING_BYTES: u32 = 1 << 20;

/// How many bytes past its half the ring buffer wakes the user side, on a machine with so many
/// processors: wide enough that they don't step over it all at once, and an interrupt on each
/// besides, narrow enough that a slow reader isn't woken for every event behind it.
pub const fn mark_bytes(processors: u32) -> u32 {
    processors.saturating_mul(2 * (RECORD_HEADER + size_of::<FlowEvent>() as u32))
}

/// What the ring buffer adds to a record.
const RECORD_HEADER: u32 = 8;

/// Entries of the overflow map: so many edges (of one kind of event each) may be counted
/// there between two drains. Each costs 128 bytes of kernel memory, 1 MiB in all: an
/// element's header of 48, key of 48, value of 8, and its share of the buckets.
pub const OVERFLOW_ENTRIES: u32 = 1 << 13;

/// Bytes of kernel memory that one entry of the socket map costs: an element's header of
/// 48, key of 8, value of 40, and its share of the buckets of 16 to 32.
pub const SOCK_ENTRY_BYTES: u64 = 128;

/// Entries of the socket map on a machine with `ram` bytes of memory: about 0.2 % of it,
/// from 16,384 (2 MiB) up to 1,048,576 (128 MiB).
pub const fn sock_entries(ram: u64) -> u32 {
    let wanted = ram / 512 / SOCK_ENTRY_BYTES;
    let wanted = if wanted < 1 << 14 { 1 << 14 } else { wanted };
    let wanted = if wanted > 1 << 20 { 1 << 20 } else { wanted };
    // The power of two below: the map's buckets are one.
    1 << (63 - wanted.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_map_costs_at_most_a_five_hundredth_of_memory_above_the_floor() {
        for gib in [1u64, 2, 4, 24, 64, 1024] {
            let entries = u64::from(sock_entries(gib << 30));
            assert!(entries * SOCK_ENTRY_BYTES <= (gib << 30) / 500, "{gib} GiB: {entries}");
        }
        assert_eq!(sock_entries(0), 1 << 14);
        assert_eq!(sock_entries(24 << 30), 262_144);
        assert_eq!(sock_entries(u64::MAX), 1 << 20);
    }
}
