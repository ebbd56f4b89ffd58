//! Sockets that several processes hold, and listeners that share a port.

use std::{
    io::{IoSlice, Read as _},
    mem::MaybeUninit,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd as _, OwnedFd},
    os::unix::net::UnixStream,
};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::support::{
    agent::Agent, holder::Holder, netns, sockets, tally::Tally, traffic::held, wait_for,
};
use crate::captures;

fn a_connection_that_a_child_serves_is_open_until_the_child_closes_it(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = held(&listener);
    let server = OwnedFd::from(one.server);
    let child = Holder::inherits(&[&server]);
    drop(server);
    agent.expect("open, whoever holds it", |it| Tally::of(it) == Tally::open(1));
    let mut client = one.client;
    drop(child);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    agent.expect("one connection, one end", |it| Tally::of(it) == Tally::closed(1));
}
captures!(a_connection_that_a_child_serves_is_open_until_the_child_closes_it: auto, kprobe, tracepoint);

fn the_connections_of_a_killed_process_end_with_it(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let process = Holder::of_connections(&listener, 20);
    agent.wait_for("twenty are open", |it| Tally::of(it) == Tally::open(20));
    process.kill();
    agent.expect("none is left open", |it| Tally::of(it) == Tally::closed(20));
}
captures!(the_connections_of_a_killed_process_end_with_it: auto, kprobe, tracepoint);

fn a_connection_handed_to_another_process_is_the_same_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = held(&listener);
    let (to, from) = UnixStream::pair().unwrap();
    hand_over(&one.server, &to);
    drop(one.server);
    let other = Holder::receives(&from.into());
    agent.expect("open, whoever holds it", |it| Tally::of(it) == Tally::open(1));
    drop(other);
    let mut client: TcpStream = one.client;
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    agent.expect("one connection, one end", |it| Tally::of(it) == Tally::closed(1));
}
captures!(a_connection_handed_to_another_process_is_the_same_connection: auto, kprobe, tracepoint);

/// Sends a descriptor over a unix socket.
pub fn hand_over(descriptor: &TcpStream, to: &UnixStream) {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = sendmsg(to, &[IoSlice::new(b"x")], &mut control, SendFlags::empty());
    assert_eq!(sent, Ok(1));
}

fn connections_to_listeners_that_share_a_port_are_counted_once(capture: &str) {
    const LISTENERS: usize = 4;
    const CONNECTIONS: u64 = 100;
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let first = sockets::listener(any);
    let address = first.local_addr().unwrap();
    let mut listeners = vec![first];
    listeners.resize_with(LISTENERS, || sockets::listener(address));
    let mut accepted = [0; LISTENERS];
    listeners.iter().for_each(|listener| listener.set_nonblocking(true).unwrap());
    for _ in 0..CONNECTIONS {
        let client = TcpStream::connect(address).unwrap();
        // The kernel chooses by the client's port.
        let (at, server) = wait_for("a listener that got it", || {
            let mut all = listeners.iter().enumerate();
            all.find_map(|(at, listener)| Some((at, listener.accept().ok()?.0)))
        });
        accepted[at] += 1;
        drop((client, server));
    }
    assert!(accepted.iter().filter(|&&count| count > 0).count() > 1, "{accepted:?}");
    agent.expect("each at either end", |it| Tally::of(it) == Tally::closed(CONNECTIONS));
}
captures!(connections_to_listeners_that_share_a_port_are_counted_once: auto, kprobe, tracepoint);
