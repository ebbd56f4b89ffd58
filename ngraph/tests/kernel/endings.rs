//! Connections that end before, or otherwise than, their server expects.

use std::{
    io::{ErrorKind, Read as _},
    net::{Shutdown, TcpListener, TcpStream},
};

use super::support::{
    agent::Agent,
    netns,
    tally::Tally,
    traffic::{held, reset},
};
use crate::captures;

fn a_connection_accepted_after_its_client_said_goodbye_is_one_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        drop(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
    }
    agent.expect("twenty at either end", |it| Tally::of(it) == Tally::closed(20));
}
captures!(a_connection_accepted_after_its_client_said_goodbye_is_one_connection: auto, kprobe, tracepoint);

fn a_connection_accepted_after_its_client_reset_it_is_one_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..20 {
        reset(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(server.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    agent.expect("twenty at either end", |it| Tally::of(it) == Tally::closed(20));
}
captures!(a_connection_accepted_after_its_client_reset_it_is_one_connection: auto, kprobe, tracepoint);

fn a_connection_closed_in_one_direction_is_open(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut one = held(&listener);
    one.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(one.server.read(&mut [0]).unwrap(), 0);
    agent.expect("open at either end", |it| Tally::of(it) == Tally::open(1));
    drop(one);
    agent.expect("and then at none", |it| Tally::of(it) == Tally::closed(1));
}
captures!(a_connection_closed_in_one_direction_is_open: auto, kprobe, tracepoint, procfs);
