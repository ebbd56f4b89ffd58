//! Connections, made and ended by real sockets.

use std::{
    io::{self, Read as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    thread,
    time::{Duration, Instant},
};

use super::wait_for;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

/// Makes `count` connections to a listener at `listen` (port 0: any), one after the other,
/// each accepted and closed at once by both ends. Gives the listener's address.
///
/// One thread does both: with two, a slow accepter lets the listener's queue overflow, and
/// the kernel drops what a client takes for open.
pub fn short_connections(listen: &str, connect: Option<&str>, count: usize) -> SocketAddr {
    let listener = TcpListener::bind(listen).unwrap_or_else(|err| panic!("bind {listen}: {err}"));
    let address = listener.local_addr().expect("the listener's address");
    let target = match connect {
        Some(ip) => SocketAddr::new(ip.parse().expect("an address"), address.port()),
        None => address,
    };
    for _ in 0..count {
        let client = TcpStream::connect(target).expect("connect");
        drop(listener.accept().expect("accept"));
        drop(client);
    }
    address
}

/// A connection that stays open until it is dropped.
pub struct Held {
    pub client: TcpStream,
    pub server: TcpStream,
}

/// Makes a connection that stays open.
pub fn held(listener: &TcpListener) -> Held {
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connect");
    let (server, _) = listener.accept().expect("accept");
    Held { client, server }
}

impl Held {
    /// Closes both ends, the client first, and waits until the server knows.
    pub fn close(self) {
        let Self { client, mut server } = self;
        drop(client);
        assert_eq!(server.read(&mut [0]).expect("read the end"), 0);
    }
}

/// Connects from one address and port to another, as soon as these are free: a process that
/// another test starts holds a copy of a socket closed here until it executes its program.
pub fn connect_from(local: SocketAddr, peer: SocketAddr) -> TcpStream {
    wait_for("free addresses and ports", || match try_connect_from(local, peer) {
        Ok(stream) => Some(stream),
        Err(rustix::io::Errno::ADDRNOTAVAIL | rustix::io::Errno::ADDRINUSE) => None,
        Err(err) => panic!("connect from {local} to {peer}: {err}"),
    })
}

fn try_connect_from(local: SocketAddr, peer: SocketAddr) -> rustix::io::Result<TcpStream> {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &local)?;
    net::connect(&socket, &peer)?;
    Ok(socket.into())
}

/// Closes by a reset, which leaves no TIME_WAIT behind, so that the ports are free at once.
pub fn reset(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("linger for nothing");
    drop(stream);
}

/// Tries to connect `count` times, one after the other, to an address where nobody listens.
///
/// The port is bound all the while and no listener was ever on it: a copy of a closed one,
/// in a process that another test starts, would still take connections.
pub fn refused_connects(ip: &str, count: usize) {
    let bound = bound_port(ip);
    for _ in 0..count {
        let refused = TcpStream::connect(bound.1).expect_err("a refusal");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// A socket that only holds a port, and its address.
fn bound_port(ip: &str) -> (OwnedFd, SocketAddr) {
    let ip: IpAddr = ip.parse().expect("an address");
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .expect("make a socket");
    net::bind(&socket, &SocketAddr::new(ip, 0)).expect("bind");
    let address = net::getsockname(&socket).expect("its address");
    (socket, address.try_into().expect("an internet address"))
}

/// A port that is free now.
pub fn free_port(ip: &str) -> SocketAddr {
    bound_port(ip).1
}

/// Makes `count` connections as fast as two threads can, each closed by a reset.
pub fn burst(count: usize) {
    burst_of(2, count / 2);
}

/// Short connections, so many from each thread.
pub fn burst_of(threads: usize, count: usize) {
    let connect = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("the listener's address");
        for _ in 0..count {
            let client = TcpStream::connect(address).expect("connect");
            let (server, _) = listener.accept().expect("accept");
            reset(client);
            drop(server);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(connect);
        }
    });
}

/// Makes `count` connections from two threads, no more than `rate` of them a second, each closed by
/// a reset. Gives how many a second it were.
pub fn paced(rate: u32, count: u64) -> u64 {
    let threads = 2;
    let step = Duration::from_secs(1) * threads / rate;
    let connect = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("the listener's address");
        let start = Instant::now();
        for made in 0..(count / u64::from(threads)) as u32 {
            let client = TcpStream::connect(address).expect("connect");
            let (server, _) = listener.accept().expect("accept");
            reset(client);
            drop(server);
            // Who is late doesn't wait.
            thread::sleep((step * (made + 1)).saturating_sub(start.elapsed()));
        }
    };
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(connect);
        }
    });
    (count as f64 / start.elapsed().as_secs_f64()) as u64
}
