//! What is kept of an event that finds the ring buffer full: a count of its like.

use core::mem::{align_of, size_of};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What events must have in common to be counted together: the key of the map OVERFLOW,
/// whose values are counts (`u64`).
///
/// Namespace, addresses, role and error are those of [`crate::event::FlowEvent`], and zero
/// where the kind of event doesn't need them: an owner or an end is counted and nothing else.
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

// The derives prove that there is no padding: a map's key is compared byte by byte.
const _: () = {
    assert!(size_of::<Like>() == 48);
    assert!(align_of::<Like>() == 8);
};
