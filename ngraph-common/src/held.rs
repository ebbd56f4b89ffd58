//! What the iterator over open files tells of a TCP socket that some process holds.

use core::mem::{align_of, offset_of, size_of};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One TCP socket, as one of the descriptors that hold it shows it. Addresses and ports as in
/// [`crate::event::FlowEvent`].
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct HeldSocket {
    /// Address of the `struct sock`: a socket with several descriptors is shown by each.
    pub sock: u64,
    /// Inode number of the socket's network namespace.
    pub netns: u64,
    /// The socket's own address.
    pub local: [u8; 16],
    /// The other end's address.
    pub peer: [u8; 16],
    /// The socket's own port.
    pub local_port: u16,
    /// The other end's port.
    pub peer_port: u16,
    /// Its TCP state, one of [`state`] or another of the kernel's.
    pub state: u8,
    /// Padding; zero.
    pub _pad: [u8; 3],
}

/// Values of [`HeldSocket::state`].
/// <https://github.com/torvalds/linux/blob/v6.12/include/net/tcp_states.h>
pub mod state {
    /// Data may flow both ways.
    pub const ESTABLISHED: u8 = 1;
    /// The SYN has left.
    pub const SYN_SENT: u8 = 2;
    /// This end said goodbye.
    pub const FIN_WAIT1: u8 = 4;
    /// And the other knows.
    pub const FIN_WAIT2: u8 = 5;
    /// No connection: not yet, or no more.
    pub const CLOSE: u8 = 7;
    /// The other end said goodbye.
    pub const CLOSE_WAIT: u8 = 8;
    /// And then this one.
    pub const LAST_ACK: u8 = 9;
    /// Waits for connections.
    pub const LISTEN: u8 = 10;
    /// Both said goodbye at once.
    pub const CLOSING: u8 = 11;
}

// The derives prove that there is no padding and that every bit pattern is a value.
const _: () = {
    assert!(size_of::<HeldSocket>() == 56);
    assert!(align_of::<HeldSocket>() == 8);
    assert!(offset_of!(HeldSocket, local) == 16);
    assert!(offset_of!(HeldSocket, local_port) == 48);
    assert!(offset_of!(HeldSocket, state) == 52);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_decodes_to_the_bytes_it_was_made_of() {
        let mut bytes = [0u8; size_of::<HeldSocket>()];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i as u8;
        }
        let socket = HeldSocket::read_from_bytes(&bytes).unwrap();
        assert_eq!(socket.sock, u64::from_ne_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!((socket.local[0], socket.peer[0]), (16, 32));
        assert_eq!(socket.peer_port, u16::from_ne_bytes([50, 51]));
        assert_eq!((socket.state, socket.as_bytes()), (52, &bytes[..]));
    }
}
