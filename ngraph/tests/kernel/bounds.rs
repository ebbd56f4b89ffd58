//! What traffic can't make grow: memory, the file, the number of edges.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::support::{agent::Agent, metrics::Metrics, netns, traffic::reset};
use crate::captures;

/// Peers of a scan, and edges that a file may have.
const PEERS: u32 = 30_000;
const EDGES: u64 = 1_000;

/// What a scan may add to the memory that a tenth of it took: what is held of 1,000 edges
/// twice, with room for the allocator.
const GROWTH: u64 = 4 << 20;

fn resident(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_process_resident_memory_bytes", &[])
}

/// One connection to each of so many addresses of loopback.
fn scan(peers: std::ops::Range<u32>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for peer in peers {
        let peer = Ipv4Addr::from_bits(0x7f01_0000 + peer);
        let client = TcpStream::connect((peer, port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        // No TIME_WAIT, of which a namespace has no more than so many.
        reset(client);
        drop(server);
    }
}

fn a_scan_of_thirty_thousand_peers_grows_neither_memory_nor_the_file(capture: &str) {
    netns::enter_new();
    let edges = EDGES.to_string();
    let agent = Agent::start(&["--capture", capture, "--max-edges", &edges]);
    let both = |it: &Metrics| (it.opened("output"), it.opened("input"));
    let first = u64::from(PEERS / 10);
    scan(0..PEERS / 10);
    let before = agent.expect("the first are counted", |it| both(it) == (first, first));
    scan(PEERS / 10..PEERS);
    let all = u64::from(PEERS);
    let after = agent.expect("all are counted", |it| both(it) == (all, all));
    for direction in ["input", "output"] {
        let labels = [("direction", direction)];
        let rows = after.with("ngraph_connections_opened_total", &labels).count() as u64;
        assert!(rows <= EDGES, "{rows} edges of {direction}");
        assert!(after.sum("ngraph_edges_folded_total", &labels) >= all - EDGES);
    }
    assert!(after.sum("ngraph_capacity_reached_total", &[("of", "edges")]) > 0);
    assert_eq!(after.sum("ngraph_events_lost_total", &[]), 0);
    let (before, after) = (resident(&before), resident(&after));
    assert!(after <= before + GROWTH, "grew from {before} to {after} bytes");
}
captures!(a_scan_of_thirty_thousand_peers_grows_neither_memory_nor_the_file: auto);
