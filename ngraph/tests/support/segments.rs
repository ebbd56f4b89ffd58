//! Segments written by hand, where a test needs what a well-behaved kernel never sends.

use std::{
    net::{SocketAddr, SocketAddrV4},
    os::fd::OwnedFd,
};

use rustix::{
    net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto},
    thread::{CpuSet, sched_setaffinity},
};

const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;

/// A socket that sends segments, and is shown those that come in for this namespace.
pub fn raw() -> OwnedFd {
    let (family, kind) = (AddressFamily::INET, SocketType::RAW);
    net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(ipproto::TCP))
        .expect("make a raw socket (as root)")
}

/// Waits for a listener's answer to an attempt of `client`, and gives the segment that would
/// complete the handshake.
pub fn completion(raw: &OwnedFd, client: SocketAddrV4, server: SocketAddrV4) -> [u8; 20] {
    let mut packet = [0u8; 128];
    loop {
        let (length, _) = net::recv(raw, &mut packet, RecvFlags::empty()).expect("a segment");
        let packet = &packet[..length];
        let segment = &packet[usize::from(packet[0] & 0xf) * 4..];
        let ports = [&segment[..2], &segment[2..4]];
        let is_answer = ports == [server.port(), client.port()].map(u16::to_be_bytes);
        if is_answer && segment[13] & SYN_ACK == SYN_ACK {
            return acknowledgement(segment, client, server);
        }
    }
}

fn acknowledgement(answer: &[u8], client: SocketAddrV4, server: SocketAddrV4) -> [u8; 20] {
    let theirs = u32::from_be_bytes(answer[4..8].try_into().expect("four bytes"));
    let mut segment = [0; 20];
    segment[..2].copy_from_slice(&client.port().to_be_bytes());
    segment[2..4].copy_from_slice(&server.port().to_be_bytes());
    segment[4..8].copy_from_slice(&answer[8..12]);
    segment[8..12].copy_from_slice(&theirs.wrapping_add(1).to_be_bytes());
    segment[12] = 5 << 4;
    segment[13] = ACK;
    segment[14..16].copy_from_slice(&[0xff, 0xff]);
    let sum = checksum(&segment, client, server);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// RFC 9293, 3.1: over the addresses, the protocol, the length and the segment.
fn checksum(segment: &[u8], client: SocketAddrV4, server: SocketAddrV4) -> u16 {
    let mut bytes = [client.ip().octets(), server.ip().octets()].concat();
    bytes.extend([0, 6, 0, segment.len() as u8]);
    bytes.extend(segment);
    let words = bytes.chunks_exact(2).map(|it| u32::from(u16::from_be_bytes([it[0], it[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Sends a segment.
pub fn send(raw: &OwnedFd, segment: &[u8], to: SocketAddrV4) {
    let sent = net::sendto(raw, segment, SendFlags::empty(), &SocketAddr::V4(to));
    assert_eq!(sent.expect("send a segment"), segment.len());
}

/// Keeps the calling thread on a processor.
pub fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("stay on a processor");
}
