//! What is kept of an event that finds the ring buffer full: a count of its like.

use core::mem::{align_of, size_of};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::event::FlowEvent;

/// What events must have in common to be counted together: the key of the map OVERFLOW,
/// whose values are counts (`u64`).
///
/// Namespace, addresses, role and error are those of [`FlowEvent`], and zero where the kind
/// of event doesn't need them: an owner or an end is counted and nothing else.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Like {
    /// The socket's network namespace.
    pub netns: u64,
    /// The socket's own address.
    pub local: [u8; 16],
    /// The other end's address.
    pub peer: [u8; 16],
    /// Which of two shelves it lies on: the kernel side fills one, the user side empties the
    /// other.
    pub shelf: u32,
    /// Why an attempt failed.
    pub error: u16,
    /// One of [`crate::event::kind`].
    pub kind: u8,
    /// One of [`crate::event::role`].
    pub role: u8,
}

impl Like {
    /// The like of an opening or a failure.
    #[inline(always)]
    pub fn of(event: &FlowEvent, shelf: u32) -> Self {
        Self {
            netns: event.netns,
            local: event.local,
            peer: event.peer,
            shelf,
            error: event.error as u16,
            kind: event.kind,
            role: event.role,
        }
    }

    /// The like of an event that tells of no edge.
    #[inline(always)]
    pub fn of_kind(kind: u8, shelf: u32) -> Self {
        Self { kind, shelf, ..Self::default() }
    }
}

// The derives prove that there is no padding: a map's key is compared byte by byte.
const _: () = {
    assert!(size_of::<Like>() == 48);
    assert!(align_of::<Like>() == 8);
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{kind, role};

    #[test]
    fn events_of_one_edge_are_alike_whatever_their_ports_and_owners() {
        let event = FlowEvent {
            netns: 5,
            peer: [7; 16],
            kind: kind::OPEN,
            role: role::INBOUND,
            ..FlowEvent::default()
        };
        let other = FlowEvent { sock: 9, at_ns: 3, local_port: 80, tgid: 4, ..event };
        assert_eq!(Like::of(&event, 1), Like::of(&other, 1));
        for unlike in [
            FlowEvent { netns: 6, ..event },
            FlowEvent { peer: [8; 16], ..event },
            FlowEvent { kind: kind::FAIL, ..event },
            FlowEvent { role: role::OUTBOUND, ..event },
            FlowEvent { error: 111, ..event },
        ] {
            assert_ne!(Like::of(&event, 1), Like::of(&unlike, 1), "{unlike:?}");
        }
    }
}
