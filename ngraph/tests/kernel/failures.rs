//! Attempts that never become a connection, and what is told of why.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{self, sockopt},
};

use super::support::{
    agent::Agent,
    has_btf, links,
    metrics::Metrics,
    netns,
    segments::{RST, SYN, Segment, raw},
    sockets::{self, bound, connect, connected, connecting, deaf_listener, outcome},
    tally::Tally,
    traffic::free_port,
};
use crate::captures;

const ANY_PORT: &str = "127.0.0.1:0";

/// Whether `count` attempts failed for `reason` from one address to another, and nothing
/// else has been. Without BTF it isn't known where a socket has its error.
fn failed(metrics: &Metrics, count: u64, reason: &str, src: &str, dest: &str) -> bool {
    let reason = if has_btf() { reason } else { "other" };
    let edge = [("src_ip", src), ("dest_ip", dest), ("reason", reason)];
    metrics.sum("ngraph_connect_failures_total", &edge) == count
        && Tally::of(metrics) == Tally { failed: count, ..Tally::default() }
}

fn an_attempt_that_nobody_answers_is_a_timeout(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let deaf = deaf_listener(ANY_PORT.parse().unwrap());
    let attempts = [(); 10].map(|()| {
        let attempt = bound(ANY_PORT.parse().unwrap());
        // Milliseconds: over by the time the first SYN would be sent again.
        sockopt::set_tcp_user_timeout(&attempt, 1).unwrap();
        connect(&attempt, deaf.local_addr().unwrap());
        attempt
    });
    for attempt in &attempts {
        assert_eq!(outcome(attempt).unwrap_err(), Errno::TIMEDOUT);
    }
    agent.expect("ten timeouts", |it| failed(it, 10, "timeout", "127.0.0.1", "127.0.0.1"));
}
captures!(an_attempt_that_nobody_answers_is_a_timeout: auto, tracepoint);

fn an_attempt_refused_after_connect_returned_is_refused(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let deaf = deaf_listener(ANY_PORT.parse().unwrap());
    let attempts = [(); 10].map(|()| connecting(ANY_PORT.parse().unwrap(), address(&deaf)));
    // The SYNs that are sent again find nobody.
    drop(deaf);
    for attempt in &attempts {
        assert_eq!(outcome(attempt).unwrap_err(), Errno::CONNREFUSED);
    }
    agent.expect("ten refusals", |it| failed(it, 10, "refused", "127.0.0.1", "127.0.0.1"));
}
captures!(an_attempt_refused_after_connect_returned_is_refused: auto, tracepoint);

/// The client is woken, or looks, between the moments in which the kernel writes the error down
/// and closes the socket; asking takes the error away.
fn a_refusal_that_the_client_asks_for_at_once_is_one_failure_whatever_its_reason(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let deaf = deaf_listener(ANY_PORT.parse().unwrap());
    let attempts = [(); 10].map(|()| connecting(ANY_PORT.parse().unwrap(), address(&deaf)));
    drop(deaf);
    thread::scope(|scope| {
        for attempt in &attempts {
            scope.spawn(move || {
                poll(&mut [PollFd::new(attempt, PollFlags::OUT)], None).unwrap();
                assert_eq!(sockopt::socket_error(attempt).unwrap(), Err(Errno::CONNREFUSED));
            });
        }
    });
    agent.expect("ten failures, refused or other", |it| {
        let of = |reason| it.sum("ngraph_connect_failures_total", &[("reason", reason)]);
        of("refused") + of("other") == 10
            && Tally::of(it) == Tally { failed: 10, ..Tally::default() }
    });
}
captures!(a_refusal_that_the_client_asks_for_at_once_is_one_failure_whatever_its_reason: auto, tracepoint);

/// Both ends dial, and the one resets before the other's answer is acknowledged: until then its
/// socket is half open. With a port that it was given, and with one that it asked for.
fn an_attempt_that_is_reset_while_it_is_half_open_is_reset(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let raw = raw();
    for local in [ANY_PORT.parse().unwrap(), free_port("127.0.0.1")] {
        let deaf = deaf_listener(ANY_PORT.parse().unwrap());
        let attempt = connecting(local, address(&deaf));
        let (SocketAddr::V4(from), SocketAddr::V4(to)) =
            (address(&deaf), sockets::address(&attempt))
        else {
            panic!("bound to IPv4");
        };
        let dial = Segment { from, to, sequence: 1_000, acknowledged: 0, flags: SYN };
        dial.send(&raw);
        Segment { sequence: 1_001, flags: RST, ..dial }.send(&raw);
        assert_eq!(outcome(&attempt).unwrap_err(), Errno::CONNRESET);
    }
    agent.expect("two resets", |it| failed(it, 2, "reset", "127.0.0.1", "127.0.0.1"));
}
captures!(an_attempt_that_is_reset_while_it_is_half_open_is_reset: auto, tracepoint);

fn an_attempt_given_up_here_has_failed_for_another_reason(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let deaf = deaf_listener(ANY_PORT.parse().unwrap());
    for _ in 0..10 {
        drop(connecting(ANY_PORT.parse().unwrap(), address(&deaf)));
    }
    agent.expect("ten given up", |it| failed(it, 10, "other", "127.0.0.1", "127.0.0.1"));
}
captures!(an_attempt_given_up_here_has_failed_for_another_reason: auto, tracepoint);

fn an_attempt_that_finds_its_addresses_taken_sent_nothing_and_the_kernel_counts_none(
    capture: &str,
) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let taken = connected(connecting(ANY_PORT.parse().unwrap(), address(&listener)));
    let again = bound(taken.local_addr().unwrap());
    for _ in 0..3 {
        let connect = net::connect(&again, &address(&listener));
        assert_eq!(connect, Err(Errno::ADDRNOTAVAIL), "bound to a port");
    }
    let port = taken.local_addr().unwrap().port();
    netns::set_parameter("ipv4/ip_local_port_range", &format!("{port} {port}"));
    for _ in 0..4 {
        let none = TcpStream::connect(address(&listener)).unwrap_err();
        assert_eq!(Errno::from_io_error(&none), Some(Errno::ADDRNOTAVAIL), "no port is left");
    }
    agent.expect("seven failed, and nothing was sent but for the one that is open", |it| {
        let all = Tally { failed: 7, ..Tally::open(1) };
        Tally::of(it) == all && it.is_audited("output", 1) && it.is_audited("input", 1)
    });
}
captures!(an_attempt_that_finds_its_addresses_taken_sent_nothing_and_the_kernel_counts_none: auto, tracepoint);

fn an_attempt_to_reach_a_host_that_is_not_there_is_unreachable(capture: &str) {
    netns::enter_new();
    // A network of one host: the other end of the wire is here too, and answers for nobody.
    links::veth("here", "there", None);
    links::up("here");
    links::up("there");
    links::add_address("here", "10.9.0.1".parse().unwrap(), 24);
    // Asks for the other's hardware address once and waits a moment, not thrice for a second.
    netns::set_parameter("ipv4/neigh/here/mcast_solicit", "1");
    netns::set_parameter("ipv4/neigh/here/retrans_time_ms", "10");
    let agent = Agent::start(&["--capture", capture]);
    for _ in 0..3 {
        let attempt = connecting("10.9.0.1:0".parse().unwrap(), "10.9.0.2:80".parse().unwrap());
        assert_eq!(outcome(&attempt).unwrap_err(), Errno::HOSTUNREACH);
    }
    agent.expect("three unreachable", |it| failed(it, 3, "unreachable", "10.9.0.1", "10.9.0.2"));
}
captures!(an_attempt_to_reach_a_host_that_is_not_there_is_unreachable: auto, tracepoint);

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}
