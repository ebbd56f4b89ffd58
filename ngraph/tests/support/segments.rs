//! Segments written by hand, where a test needs what a well-behaved kernel never sends.

use std::{
    net::{SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
};

use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto};

/// Flags of a segment's head.
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;

/// What a segment without options and data is made of.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub sequence: u32,
    pub acknowledged: u32,
    pub flags: u8,
}

/// A socket that sends segments, and is shown those that come in for this namespace.
pub fn raw() -> OwnedFd {
    let (family, kind) = (AddressFamily::INET, SocketType::RAW);
    net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(ipproto::TCP))
        .expect("make a raw socket (as root)")
}

/// Waits for a listener's answer to an attempt of `client`, and gives the segment that would
/// complete the handshake.
pub fn completion(raw: &OwnedFd, client: SocketAddrV4, server: SocketAddrV4) -> Segment {
    let mut packet = [0u8; 128];
    loop {
        let (length, _) = net::recv(raw, &mut packet, RecvFlags::empty()).expect("a segment");
        let packet = &packet[..length];
        let segment = &packet[usize::from(packet[0] & 0xf) * 4..];
        let number =
            |at: usize| u32::from_be_bytes(segment[at..at + 4].try_into().expect("four bytes"));
        let ports = [&segment[..2], &segment[2..4]];
        let is_answer = ports == [server.port(), client.port()].map(u16::to_be_bytes);
        if is_answer && segment[13] == SYN | ACK {
            let (sequence, acknowledged) = (number(8), number(4).wrapping_add(1));
            return Segment { from: client, to: server, sequence, acknowledged, flags: ACK };
        }
    }
}

impl Segment {
    /// Sends it.
    pub fn send(&self, raw: &OwnedFd) {
        let bytes = self.bytes();
        let sent = net::sendto(raw, &bytes, SendFlags::empty(), &SocketAddr::V4(self.to));
        assert_eq!(sent.expect("send a segment"), bytes.len());
    }

    fn bytes(&self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&self.from.port().to_be_bytes());
        bytes[2..4].copy_from_slice(&self.to.port().to_be_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.acknowledged.to_be_bytes());
        // Its own length in words of four bytes, and a window that is wide open.
        bytes[12] = 5 << 4;
        bytes[13] = self.flags;
        bytes[14..16].copy_from_slice(&[0xff, 0xff]);
        let sum = self.checksum(&bytes);
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// RFC 9293, 3.1: over the addresses, the protocol, the length and the segment.
    fn checksum(&self, segment: &[u8]) -> u16 {
        let mut bytes = [self.from.ip().octets(), self.to.ip().octets()].concat();
        bytes.extend([0, 6, 0, segment.len() as u8]);
        bytes.extend(segment);
        let words = bytes.chunks_exact(2).map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])));
        let mut sum: u32 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}
