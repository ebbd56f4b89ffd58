//! Network namespaces that look the same from inside.

use std::{net::TcpListener, sync::mpsc, thread};

use super::support::{
    agent::Agent,
    has_btf,
    metrics::Metrics,
    netns, snapshots_without_btf,
    traffic::{Held, connect_from, reset},
};
use crate::captures;

/// A listener's address that no other test uses: with `--all` an agent sees every test's
/// namespace.
fn server(capture: &str) -> String {
    format!("127.9.{}.1", capture.len())
}

const CLIENT: &str = "127.9.0.2";

/// `count` short connections and one that stays, always with the same addresses and ports.
fn traffic(server: &str, count: usize) -> (TcpListener, Held) {
    let listener = TcpListener::bind((server, 7777)).unwrap();
    let local = format!("{CLIENT}:2222").parse().unwrap();
    let connect = || {
        let client = connect_from(local, listener.local_addr().unwrap());
        Held { client, server: listener.accept().unwrap().0 }
    };
    for _ in 0..count {
        let Held { client, server } = connect();
        reset(client);
        drop(server);
    }
    let held = connect();
    (listener, held)
}

fn counts(metrics: &Metrics, server: &str) -> [u64; 4] {
    let edge = [("src_ip", CLIENT), ("dest_ip", server)];
    let opened = |direction| {
        let labels = [edge[0], edge[1], ("direction", direction)];
        metrics.sum("ngraph_connections_opened_total", &labels)
    };
    let open = |family| metrics.sum(family, &edge);
    [
        opened("output"),
        opened("input"),
        open("network_connections_output_total"),
        open("network_connections_input_total"),
    ]
}

fn namespaces_with_the_same_addresses_and_ports_are_told_apart(capture: &'static str) {
    netns::enter_new();
    let here = Agent::start(&["--capture", capture]);
    let args = [&["--capture", capture, "--all"], snapshots_without_btf()].concat();
    let all = Agent::start(&args);
    let (ready, is_ready) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let server = server(capture);
    let address = server.clone();
    let other = thread::spawn(move || {
        let server = address;
        netns::enter_new();
        // A process lives there too, as in every container.
        let there = Agent::start(&["--capture", capture]);
        let held = traffic(&server, 50);
        there.expect("the other namespace's own", |it| counts(it, &server) == [51, 51, 1, 1]);
        ready.send(()).unwrap();
        let _ = is_done.recv();
        drop(held);
    });
    let held = traffic(&server, 30);
    is_ready.recv().expect("the other namespace's traffic");
    if has_btf() {
        all.expect("with --all each is counted once", |it| counts(it, &server) == [82, 82, 2, 2]);
    } else {
        // The other namespace is left to the snapshots, which find what stays.
        all.expect("those that stay, and all of its own", |it| {
            let [outbound, inbound, open @ ..] = counts(it, &server);
            open == [2, 2] && outbound.min(inbound) >= 32 && outbound.max(inbound) <= 82
        });
    }
    here.expect("without it the other's are absent", |it| counts(it, &server) == [31, 31, 1, 1]);
    done.send(()).unwrap();
    other.join().unwrap();
    drop(held);
}
captures!(namespaces_with_the_same_addresses_and_ports_are_told_apart: auto, kprobe, tracepoint);
