//! Sockets one step at a time: bound, listening, connecting, and deaf to what comes in.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{self, AddressFamily, SocketFlags, SocketType, sockopt},
};

use super::wait_for;

/// A socket that doesn't wait, bound to `local`, which others of its kind may be bound to.
pub fn bound(local: SocketAddr) -> OwnedFd {
    let family = if local.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None).expect("make a socket");
    sockopt::set_socket_reuseport(&socket, true).expect("share the port");
    net::bind(&socket, &local).unwrap_or_else(|err| panic!("bind {local}: {err}"));
    socket
}

/// A bound socket's address.
pub fn address(socket: &impl AsFd) -> SocketAddr {
    net::getsockname(socket).expect("its address").try_into().expect("an internet address")
}

/// A listener that shares its address, whose accept waits.
pub fn listener(local: SocketAddr) -> TcpListener {
    let socket = bound(local);
    net::listen(&socket, 128).expect("listen");
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(false).expect("wait in accept");
    listener
}

/// A listener that hears nothing: whoever connects to it waits.
pub fn deaf_listener(local: SocketAddr) -> TcpListener {
    let socket = bound(local);
    deafen(&socket);
    net::listen(&socket, 128).expect("listen");
    socket.into()
}

/// Begins to connect from `local` to `peer`, and doesn't wait.
pub fn connecting(local: SocketAddr, peer: SocketAddr) -> OwnedFd {
    let socket = bound(local);
    connect(&socket, peer);
    socket
}

/// Has a socket that doesn't wait begin to connect.
pub fn connect(socket: &OwnedFd, peer: SocketAddr) {
    assert_eq!(net::connect(socket, &peer), Err(Errno::INPROGRESS), "connect to {peer}");
}

/// Waits until a connecting socket is connected or has failed, and gives which.
pub fn outcome(socket: &OwnedFd) -> Result<(), Errno> {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    wait_for("the outcome of a connect", || {
        let mut polled = [PollFd::new(socket, PollFlags::OUT)];
        poll(&mut polled, Some(&at_once)).expect("poll");
        (!polled[0].revents().is_empty()).then_some(())
    });
    sockopt::socket_error(socket).expect("ask for its error")
}

/// Waits until a connecting socket is connected.
pub fn connected(socket: OwnedFd) -> TcpStream {
    outcome(&socket).expect("connect");
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false).expect("have it wait from here on");
    stream
}

/// Has the kernel drop every segment that comes in for a socket, as if the network had: a
/// filter that lets nothing through.
pub fn deafen(socket: &impl AsFd) {
    let mut nothing =
        libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut nothing };
    option(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program, "filter a socket");
}

/// Has a socket hear again.
pub fn undeafen(socket: &impl AsFd) {
    option(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0, "drop a socket's filter");
}

/// Sets a socket option; `value` is a plain C value that lives while the call lasts.
pub fn option<T>(socket: &impl AsFd, level: i32, name: i32, value: &T, tried: &str) {
    let fd = socket.as_fd().as_raw_fd();
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the socket is open, and the kernel reads `length` bytes of `value`.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const *value).cast(), length) };
    assert_eq!(result, 0, "{tried}: {}", std::io::Error::last_os_error());
}
