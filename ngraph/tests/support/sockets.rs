//! Sockets one step at a time: bound, listening, connecting, and deaf to what comes in.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

use rustix::{
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
///
/// Not by poll(2): before Linux 6.10 the kernel shows a socket's error before it closes the
/// socket, and who asks for the error in between takes it away from whoever traces the end.
/// (`tcp_v4_err`, `tcp_write_err`) <https://github.com/torvalds/linux/blob/v6.1/net/ipv4/tcp_ipv4.c>
pub fn outcome(socket: &OwnedFd) -> Result<(), Errno> {
    const SYN_SENT: u8 = 2;
    const SYN_RECV: u8 = 3;
    wait_for("the outcome of a connect", || {
        (![SYN_SENT, SYN_RECV].contains(&state(socket))).then_some(())
    });
    sockopt::socket_error(socket).expect("ask for its error")
}

/// A TCP socket's state, as the kernel numbers it.
fn state(socket: &OwnedFd) -> u8 {
    let mut state = 0u8;
    let mut length = size_of::<u8>() as libc::socklen_t;
    // SAFETY: the kernel writes as many bytes of `struct tcp_info` as there is room for: one,
    // the state.
    let result = unsafe {
        let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
        libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut state).cast(), &mut length)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    state
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
