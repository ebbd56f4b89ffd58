//! Handshakes that go another way than SYN, SYN-ACK, ACK between a client and a listener.

use std::{
    hint,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rustix::net::{self, AddressFamily, SendFlags, SocketFlags, SocketType};

use super::support::{
    agent::Agent,
    netns,
    segments::{completion, raw},
    sockets::{self, address, bound, connected, connecting, deaf_listener, outcome},
    stay_on,
    tally::Tally,
    traffic::{connect_from, free_port, reset, short_connections},
};
use crate::captures;

fn connections_made_of_syn_cookies_are_connections(capture: &str) {
    netns::enter_new();
    // For every connection, and not for those alone that a flood left no room for.
    netns::set_parameter("ipv4/tcp_syncookies", "2");
    let agent = Agent::start(&["--capture", capture]);
    let before = netns::kernel_count("SyncookiesRecv");
    let mut made = 0;
    // Linux 6.12 may take what it knows of another connection for this one's, and sends no
    // cookie then.
    while netns::kernel_count("SyncookiesRecv") < before + 100 {
        assert!(made < 200, "the kernel makes no use of cookies");
        short_connections("127.0.0.1:0", None, 1);
        made += 1;
    }
    agent.expect("each at either end", |it| Tally::of(it) == Tally::closed(made));
}
captures!(connections_made_of_syn_cookies_are_connections: auto, kprobe, tracepoint);

/// Where the acknowledgement and what follows it come in on two processors, as they may on
/// loopback when a client moves to another one.
fn a_handshake_that_two_processors_complete_at_once_is_one_connection(capture: &str) {
    const MOST: u64 = 5_000;
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let before = netns::kernel_count("PassiveOpens");
    let counted = || netns::kernel_count("PassiveOpens") - before;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut made = 0;
    while counted() == made {
        assert!(made < MOST, "the processors never met");
        complete_twice(&listener);
        made += 1;
    }
    let tally = Tally { input: made, failed: made, ..Tally::default() };
    agent.expect("one input each, and the kernel's own count", |it| {
        let spare = it.sum("ngraph_events_total", &[("kind", "spare")]);
        let all = counted();
        Tally::of(it) == tally && (spare, it.audited("input")) == (all - made, (all, all))
    });
}
captures!(a_handshake_that_two_processors_complete_at_once_is_one_connection: auto, tracepoint);

/// A connection whose server's end two processors are asked to make at once. The client is none
/// that could: it hears nothing.
fn complete_twice(listener: &TcpListener) {
    let (raws, client) = ([raw(), raw()], bound("127.0.0.1:0".parse().unwrap()));
    let (SocketAddr::V4(from), SocketAddr::V4(to)) =
        (address(&client), listener.local_addr().unwrap())
    else {
        panic!("bound to IPv4");
    };
    sockets::deafen(&client);
    sockets::connect(&client, to.into());
    let segment = completion(&raws[0], from, to);
    let ready = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (processor, raw) in raws.iter().enumerate() {
            let ready = &ready;
            scope.spawn(move || {
                stay_on(processor);
                ready.fetch_add(1, Ordering::SeqCst);
                while ready.load(Ordering::SeqCst) < 2 {
                    hint::spin_loop();
                }
                segment.send(raw);
            });
        }
    });
    reset(listener.accept().unwrap().0);
}

fn connections_opened_with_data_in_the_syn_are_connections(capture: &str) {
    netns::enter_new();
    allow_fast_open();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for open in [send_at_once, connect_late].into_iter().cycle().take(50) {
        let client = open(address);
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0; 5]).unwrap();
        drop(client);
        drop(server);
    }
    let fast = ["TCPFastOpenActive", "TCPFastOpenPassive"].map(netns::kernel_count);
    assert_eq!(fast, [50, 50], "the kernel opened them the common way");
    agent.expect("fifty at either end", |it| Tally::of(it) == Tally::closed(50));
}
captures!(connections_opened_with_data_in_the_syn_are_connections: auto, kprobe, tracepoint);

fn a_connection_that_its_server_closes_while_it_is_half_open_is_one_at_either_end(capture: &str) {
    netns::enter_new();
    allow_fast_open();
    let agent = Agent::start(&["--capture", capture]);
    let (client, mut server) = half_open();
    server.read_exact(&mut [0; 5]).unwrap();
    drop(server);
    agent.wait_for("an input, as the kernel counts it", |it| it.audited("input") == (1, 1));
    // The answer is sent again, and the server's goodbye behind it.
    sockets::undeafen(&client);
    let mut client = connected(client);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    agent.expect("one at either end", |it| Tally::of(it) == Tally::closed(1));
}
captures!(a_connection_that_its_server_closes_while_it_is_half_open_is_one_at_either_end: auto, tracepoint);

fn a_connection_that_its_server_resets_while_it_is_half_open_is_an_input(capture: &str) {
    netns::enter_new();
    allow_fast_open();
    let agent = Agent::start(&["--capture", capture]);
    let (client, server) = half_open();
    // There is data that nobody has read, so the end of it is a reset.
    drop(server);
    drop(client);
    let tally = Tally { input: 1, failed: 1, ..Tally::default() };
    agent.expect("an input that is over, and a failure at the other end", |it| {
        Tally::of(it) == tally && it.audited("input") == (1, 1)
    });
    agent.wait_for("what was seen is what became of it", |it| {
        it.sum("ngraph_hook_outcomes_total", &[]) == it.sum("ngraph_hook_seen_total", &[])
    });
}
captures!(a_connection_that_its_server_resets_while_it_is_half_open_is_an_input: auto, tracepoint);

/// The ends of a connection of which the server's is half open: it has five bytes and was
/// accepted, and the client hears nothing.
fn half_open() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = bound("127.0.0.1:0".parse().unwrap());
    sockets::deafen(&client);
    let flags = SendFlags::from_bits_retain(libc::MSG_FASTOPEN as u32);
    net::sendto(&client, b"hello", flags, &listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Has the namespace's clients and listeners put data into the SYN, without a cookie first.
fn allow_fast_open() {
    // TFO_CLIENT_ENABLE, TFO_SERVER_ENABLE, TFO_CLIENT_NO_COOKIE, TFO_SERVER_COOKIE_NOT_REQD,
    // TFO_SERVER_WO_SOCKOPT1:
    // https://github.com/torvalds/linux/blob/v6.12/include/net/tcp.h
    netns::set_parameter("ipv4/tcp_fastopen", "0x607");
}

fn socket() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
}

/// Connects by sending.
fn send_at_once(address: SocketAddr) -> TcpStream {
    let socket = socket();
    let flags = SendFlags::from_bits_retain(libc::MSG_FASTOPEN as u32);
    net::sendto(&socket, b"hello", flags, &address).unwrap();
    socket.into()
}

/// Connects in name, and truly with the first write.
fn connect_late(address: SocketAddr) -> TcpStream {
    let socket = socket();
    let tried = "put off the SYN";
    sockets::option(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN_CONNECT, &1, tried);
    net::connect(&socket, &address).unwrap();
    let mut client = TcpStream::from(socket);
    client.write_all(b"hello").unwrap();
    client
}

fn two_sockets_that_connect_to_each_other_are_two_outputs(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let (one, other) = (free_port("127.0.0.1"), free_port("127.0.0.2"));
    // Takes the first SYN, so that it's neither answered nor refused.
    let deaf = deaf_listener(other);
    let first = connecting(one, other);
    let second = connecting(other, one);
    let (first, second) = (connected(first), connected(second));
    assert_eq!(first.peer_addr().unwrap(), second.local_addr().unwrap());
    let open = Tally { output: 2, open_output: 2, ..Tally::default() };
    let metrics = agent.wait_for("two outputs", |it| Tally::of(it) == open);
    for (src, dest) in [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")] {
        let edge = [("src_ip", src), ("dest_ip", dest)];
        assert_eq!(metrics.sum("ngraph_connections_opened_total", &edge), 1, "{src} to {dest}");
    }
    reset(first);
    drop((second, deaf));
    agent
        .expect("none is left open", |it| Tally::of(it) == Tally { output: 2, ..Tally::default() });
}
captures!(two_sockets_that_connect_to_each_other_are_two_outputs: auto, kprobe, tracepoint);

fn a_socket_connected_to_itself_is_one_output(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let address = free_port("127.0.0.1");
    let lone = connect_from(address, address);
    assert_eq!(lone.local_addr().unwrap(), lone.peer_addr().unwrap());
    let open = Tally { output: 1, open_output: 1, ..Tally::default() };
    agent.wait_for("one output", |it| Tally::of(it) == open);
    drop(lone);
    agent
        .expect("none is left open", |it| Tally::of(it) == Tally { output: 1, ..Tally::default() });
}
captures!(a_socket_connected_to_itself_is_one_output: auto, kprobe, tracepoint, procfs);

fn a_socket_that_connects_again_and_again_is_a_connection_each_time(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = bound("127.0.0.1:0".parse().unwrap());
    for _ in 0..20 {
        sockets::connect(&client, listener.local_addr().unwrap());
        outcome(&client).unwrap();
        let (server, _) = listener.accept().unwrap();
        net::connect_unspec(&client).unwrap();
        drop(server);
    }
    agent.expect("twenty at either end", |it| Tally::of(it) == Tally::closed(20));
}
captures!(a_socket_that_connects_again_and_again_is_a_connection_each_time: auto, kprobe, tracepoint);
