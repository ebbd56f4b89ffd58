//! Connections that no system call of their own makes: io_uring's worker threads and polled
//! queues connect and accept.

use std::{
    io,
    net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use io_uring::{IoUring, opcode, squeue, types::Fd};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

use super::support::{agent::Agent, netns, skip_earned, tally::Tally};
use crate::captures;

fn connections_made_through_io_uring_are_connections(capture: &str) {
    netns::enter_new();
    let plain = match IoUring::new(8) {
        Ok(ring) => ring,
        Err(err) => return skip_earned(&format!("this kernel offers no io_uring: {err}")),
    };
    // A thread of the kernel's takes what is submitted.
    let polled = IoUring::builder().setup_sqpoll(100).build(8).unwrap();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for mut ring in [plain, polled] {
        for _ in 0..10 {
            let (client, server) = connect_and_accept(&mut ring, &listener);
            assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
        }
    }
    agent.expect("twenty at either end", |it| Tally::of(it) == Tally::closed(20));
}
captures!(connections_made_through_io_uring_are_connections: auto, kprobe, tracepoint);

/// A connection of which both ends are made through `ring`, always by a worker.
fn connect_and_accept(ring: &mut IoUring, listener: &TcpListener) -> (TcpStream, TcpStream) {
    const CONNECT: u64 = 1;
    const ACCEPT: u64 = 2;
    let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
        panic!("an IPv4 listener");
    };
    let address = sockaddr(address);
    let flags = SocketFlags::CLOEXEC;
    let client = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
    let length = size_of_val(&address) as libc::socklen_t;
    let connect = opcode::Connect::new(Fd(client.as_raw_fd()), (&raw const address).cast(), length);
    let listener = Fd(listener.as_raw_fd());
    let accept = opcode::Accept::new(listener, std::ptr::null_mut(), std::ptr::null_mut());
    let by_worker = squeue::Flags::ASYNC;
    let connect = connect.build().flags(by_worker).user_data(CONNECT);
    let accept = accept.flags(libc::SOCK_CLOEXEC).build().flags(by_worker).user_data(ACCEPT);
    // SAFETY: the descriptors and the address live until both are complete, see below.
    unsafe { ring.submission().push_multiple(&[connect, accept]).unwrap() };
    ring.submit_and_wait(2).unwrap();
    let mut server = None;
    for done in ring.completion() {
        let result = done.result();
        assert!(result >= 0, "{}: {}", done.user_data(), io::Error::from_raw_os_error(-result));
        if done.user_data() == ACCEPT {
            // SAFETY: the kernel has made this descriptor for us.
            server = Some(unsafe { OwnedFd::from_raw_fd(result) });
        }
    }
    (client.into(), server.expect("an accepted connection").into())
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    }
}
