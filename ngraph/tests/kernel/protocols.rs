//! What is like TCP and isn't, or is more than it seems.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, ipproto};

use super::support::{agent::Agent, has_btf, netns, skip_earned, traffic::short_connections};
use crate::captures;

fn mptcp_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, Some(ipproto::MPTCP))
}

fn an_mptcp_connection_is_one_connection(capture: &str) {
    netns::enter_new();
    if let Err(err) = mptcp_socket() {
        skip_earned(&format!("this kernel has no MPTCP: {err}"));
        return;
    }
    let agent = Agent::start(&["--capture", capture]);
    let listener = mptcp_socket().unwrap();
    net::bind(&listener, &"127.0.0.1:0".parse::<SocketAddr>().unwrap()).unwrap();
    net::listen(&listener, 16).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    for _ in 0..50 {
        let client = mptcp_socket().unwrap();
        net::connect(&client, &address).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert!(is_mptcp(&client).unwrap(), "the connection fell back to TCP");
        drop(TcpStream::from(client));
        drop(server);
    }
    // Without BTF MPTCP's own socket can't be told from the TCP socket that carries it. The
    // raw tracepoint sees both connect, and one of them be accepted; the probes the other way.
    let expected = match capture {
        _ if has_btf() => (50, 50),
        "kprobe" => (50, 100),
        _ => (100, 50),
    };
    let agent = if has_btf() { agent } else { agent.that_miscounts() };
    agent.expect(&format!("{expected:?}"), |it| {
        (it.opened("output"), it.opened("input")) == expected
    });
}
captures!(an_mptcp_connection_is_one_connection: auto, kprobe, tracepoint);

/// Whether a socket's connection speaks MPTCP and hasn't fallen back.
fn is_mptcp(socket: &OwnedFd) -> io::Result<bool> {
    let protocol = net::sockopt::socket_protocol(socket)?;
    Ok(protocol == Some(ipproto::MPTCP))
}

fn a_connection_that_nobody_accepts_is_a_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    }
    drop(listener);
    agent
        .expect("twenty at either end", |it| (it.opened("output"), it.opened("input")) == (20, 20));
    agent.expect("none is left open", |it| it.sum("ngraph_live_connections", &[]) == 0);
}
captures!(a_connection_that_nobody_accepts_is_a_connection: auto, tracepoint);

fn unix_sockets_are_no_connections(capture: &str) {
    use std::os::unix::net::{UnixListener, UnixStream};
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    for _ in 0..20 {
        let client = UnixStream::connect(&path).unwrap();
        drop((client, listener.accept().unwrap()));
    }
    short_connections("127.0.0.1:0", None, 5);
    agent.expect("the five of TCP", |it| (it.opened("output"), it.opened("input")) == (5, 5));
}
captures!(unix_sockets_are_no_connections: auto, kprobe, tracepoint);
