//! Network namespaces that come and go, and sockets that stay where they were made.

use std::{
    net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener},
    os::fd::AsFd as _,
};

use super::support::{
    agent::Agent,
    has_btf,
    holder::Holder,
    links,
    metrics::Metrics,
    netns, skip_earned, snapshots_without_btf,
    sockets::{self, bound, connected, connecting},
    tally::Tally,
    traffic::{Held, held},
};
use crate::captures;

/// An address that no other test uses: with `--all` an agent sees every test's namespace.
fn own_address(test: u8, capture: &str) -> String {
    format!("127.10.{test}.{}", capture.as_bytes()[0])
}

/// Of the connections to `ip`: those ever opened and those open, both ends together.
fn both_ends(metrics: &Metrics, ip: &str) -> (u64, u64) {
    let edge = [("dest_ip", ip)];
    let open = ["network_connections_output_total", "network_connections_input_total"];
    (
        metrics.sum("ngraph_connections_opened_total", &edge),
        open.iter().map(|family| metrics.sum(family, &edge)).sum(),
    )
}

fn a_namespace_made_later_is_seen_and_leaves_nothing_open(capture: &str) {
    let ip = own_address(1, capture);
    netns::enter_new();
    let args = ["--capture", capture, "--all"];
    let agent = Agent::start(&[&args[..], snapshots_without_btf()].concat());
    netns::enter_new();
    let listener = TcpListener::bind((ip.as_str(), 0)).unwrap();
    let process = Holder::of_connections(&listener, 5);
    agent.wait_for("five are open at either end", |it| both_ends(it, &ip) == (10, 10));
    drop(listener);
    // The namespace ends with its last process and its last socket.
    netns::enter_new();
    process.kill();
    agent.expect("none is left open", |it| both_ends(it, &ip) == (10, 0));
}
captures!(a_namespace_made_later_is_seen_and_leaves_nothing_open: auto, kprobe, tracepoint, procfs);

fn a_connection_in_a_namespace_that_all_processes_have_left_is_open(capture: &str) {
    if !has_btf() {
        return skip_earned("without BTF the hooks tell of the agent's own namespace alone");
    }
    let ip = own_address(2, capture);
    netns::enter_new();
    // Snapshots can't look into such a namespace, and are to take nothing for gone.
    let agent = Agent::start(&["--capture", capture, "--all", "--snapshot-interval=1"]);
    netns::enter_new();
    let one = held(&TcpListener::bind((ip.as_str(), 0)).unwrap());
    netns::enter_new();
    agent.expect("open at either end", |it| both_ends(it, &ip) == (2, 2));
    one.close();
    agent.expect("none is left open", |it| both_ends(it, &ip) == (2, 0));
}
captures!(a_connection_in_a_namespace_that_all_processes_have_left_is_open: auto, tracepoint);

fn a_socket_is_counted_where_it_was_made_and_not_where_it_is_used(capture: &str) {
    netns::enter_new();
    let home = Agent::start(&["--capture", capture]);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listener = sockets::listener(any);
    let client = bound(any);
    netns::enter_new();
    let abroad = Agent::start(&["--capture", capture]);
    sockets::connect(&client, listener.local_addr().unwrap());
    let ends = (connected(client), listener.accept().unwrap());
    home.wait_for("one at home", |it| Tally::of(it) == Tally::open(1));
    abroad.expect("none abroad", |it| Tally::of(it) == Tally::default());
    drop(ends);
    home.expect("which ends", |it| Tally::of(it) == Tally::closed(1));
}
captures!(a_socket_is_counted_where_it_was_made_and_not_where_it_is_used: auto, kprobe, tracepoint);

fn link_local_addresses_are_shown_and_each_end_counts_its_own(capture: &str) {
    const SERVER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    netns::enter_new();
    let there = netns::current();
    netns::enter_new();
    links::veth("client", "server", Some(there.as_fd()));
    links::up("client");
    links::add_address("client", CLIENT.into(), 64);
    let here = netns::current();
    netns::enter(&there);
    links::up("server");
    links::add_address("server", SERVER.into(), 64);

    let server = Agent::start(&["--capture", capture]);
    let scoped = |ip, name| SocketAddrV6::new(ip, 0, 0, links::index(name));
    let listener = sockets::listener(scoped(SERVER, "server").into());
    netns::enter(&here);
    let client = Agent::start(&["--capture", capture]);
    let mut peer = scoped(SERVER, "client");
    peer.set_port(listener.local_addr().unwrap().port());
    let connecting = connecting(scoped(CLIENT, "client").into(), peer.into());
    let ends = (connected(connecting), listener.accept().unwrap());

    let edge = [("src_ip", "fe80::2"), ("dest_ip", "fe80::1")];
    let opened = |metrics: &Metrics| metrics.sum("ngraph_connections_opened_total", &edge);
    let output = Tally { output: 1, open_output: 1, ..Tally::default() };
    client.wait_for("an output here", |it| Tally::of(it) == output && opened(it) == 1);
    let input = Tally { input: 1, open_input: 1, ..Tally::default() };
    server.wait_for("an input there", |it| Tally::of(it) == input && opened(it) == 1);
    drop(ends);
    client.expect("which ends", |it| Tally::of(it) == Tally { output: 1, ..Tally::default() });
    server.expect("at both ends", |it| Tally::of(it) == Tally { input: 1, ..Tally::default() });
}
captures!(link_local_addresses_are_shown_and_each_end_counts_its_own: auto, kprobe, tracepoint, procfs);

fn the_same_link_local_addresses_on_two_links_are_two_connections(capture: &str) {
    const SERVER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
    const LINKS: [(&str, &str); 2] = [("client1", "server1"), ("client2", "server2")];
    netns::enter_new();
    let there = netns::current();
    netns::enter_new();
    let here = netns::current();
    for (client, server) in LINKS {
        links::veth(client, server, Some(there.as_fd()));
        links::up(client);
        links::add_address(client, CLIENT.into(), 64);
        netns::enter(&there);
        links::up(server);
        links::add_address(server, SERVER.into(), 64);
        netns::enter(&here);
    }
    // Snapshots see both and no link.
    let args = ["--capture", capture, "--snapshot-interval=1"];
    let client = Agent::start(&args);
    netns::enter(&there);
    let server = Agent::start(&args);
    let scoped = |ip, port, name| SocketAddrV6::new(ip, port, 0, links::index(name)).into();
    // In a namespace of their own these ports are free.
    let [one, other] = LINKS.map(|(near, far)| {
        netns::enter(&there);
        let listener = sockets::listener(scoped(SERVER, 7777, far));
        netns::enter(&here);
        let connecting = connecting(scoped(CLIENT, 2222, near), scoped(SERVER, 7777, near));
        Held { client: connected(connecting), server: listener.accept().unwrap().0 }
    });
    let expect = |what, open| {
        for (agent, direction) in [(&client, "output"), (&server, "input")] {
            agent.expect(what, |it| {
                it.opened(direction) == 2
                    && it.sum("ngraph_live_connections", &[("direction", direction)]) == open
                    && it.sum("ngraph_live_connections", &[]) == open
                    // Probes alone don't see ends.
                    && (capture == "kprobe" || it.sum("ngraph_snapshot_repairs_total", &[]) == 0)
            });
        }
    };
    expect("two are open", 2);
    one.close();
    expect("one is open", 1);
    other.close();
    expect("none is open", 0);
}
captures!(the_same_link_local_addresses_on_two_links_are_two_connections: auto, kprobe, tracepoint);
