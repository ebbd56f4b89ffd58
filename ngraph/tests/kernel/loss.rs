//! A full ring buffer loses nothing, a full overflow map loses and says so, and what was
//! lost is mended by a snapshot.

use std::net::TcpListener;

use rustix::process::Signal;

use super::support::{
    agent::Agent,
    has_btf,
    metrics::Metrics,
    netns,
    traffic::{Held, burst, held, refused_connects, short_connections},
};
use crate::captures;

/// The smallest ring: a page holds some 36 events.
const PAGE: [&str; 2] = ["--ring-bytes", "4096"];

fn start(capture: &str, args: &[&str]) -> Agent {
    Agent::start(&[&["--capture", capture], &PAGE[..], args].concat())
}

fn live(metrics: &Metrics) -> (u64, u64) {
    let live = |direction| metrics.sum("ngraph_live_connections", &[("direction", direction)]);
    (live("output"), live("input"))
}

fn both(metrics: &Metrics) -> (u64, u64) {
    (metrics.opened("output"), metrics.opened("input"))
}

fn lost(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_events_lost_total", &[])
}

fn overflowed(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_events_overflowed_total", &[])
}

fn a_stopped_agent_catches_up_with_right_sums(capture: &str) {
    netns::enter_new();
    let agent = start(capture, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    agent.signal(Signal::STOP);
    short_connections("127.0.0.1:0", None, 500);
    let all: Vec<Held> = (0..100).map(|_| held(&listener)).collect();
    refused_connects("127.0.0.1", 50);
    agent.signal(Signal::CONT);
    let metrics = agent.expect("every connection is counted once, and the held ones are open", {
        |it| both(it) == (600, 600) && live(it) == (100, 100)
    });
    assert!(overflowed(&metrics) > 0, "the ring was never full: {metrics:#?}");
    assert_eq!(lost(&metrics), 0);
    assert_eq!(metrics.sum("ngraph_snapshot_repairs_total", &[("kind", "open")]), 0);
    let reason = if has_btf() { "refused" } else { "other" };
    assert_eq!(metrics.sum("ngraph_connect_failures_total", &[("reason", reason)]), 50);

    agent.signal(Signal::STOP);
    all.into_iter().for_each(Held::close);
    agent.signal(Signal::CONT);
    let metrics = agent.expect("all are gone", |it| live(it) == (0, 0));
    assert_eq!((both(&metrics), lost(&metrics)), ((600, 600), 0));
    // The kernel side's count of what overflowed, and what of it was taken out.
    agent.wait_for("all that overflowed is taken out", |it| {
        let told = it.sum("ngraph_hook_outcomes_total", &[("outcome", "overflowed")]);
        told > 0 && told == overflowed(it)
    });
}
captures!(a_stopped_agent_catches_up_with_right_sums: auto, tracepoint);

fn the_smallest_ring_loses_nothing_at_the_rate_that_this_machine_can_make(capture: &str) {
    const MANY: usize = 5_000;
    netns::enter_new();
    let agent = start(capture, &[]);
    burst(MANY);
    let all = MANY as u64;
    let metrics = agent.expect("every connection is counted once", |it| {
        let (output, input) = both(it);
        let missing = (2 * all).saturating_sub(output + input);
        output <= all && input <= all && missing <= may_be_missed(capture, it)
    });
    assert!(overflowed(&metrics) > 0, "the ring was never full: {metrics:#?}");
    assert_eq!(lost(&metrics), 0);
    agent.expect("none is left open", |it| live(it) == (0, 0));
}

/// While the agent empties the overflow map, no kprobe program runs on its processor, and since
/// Linux 7.0 it may be preempted there. The kernel tells how many runs that cost.
/// (`bpf_disable_instrumentation`) <https://github.com/torvalds/linux/blob/v7.0/include/linux/bpf.h>
fn may_be_missed(capture: &str, metrics: &Metrics) -> u64 {
    if capture == "kprobe" { metrics.sum("ngraph_hook_missed_total", &[]) } else { 0 }
}
captures!(the_smallest_ring_loses_nothing_at_the_rate_that_this_machine_can_make: auto, kprobe, tracepoint);

fn only_a_full_overflow_map_loses_and_it_is_counted(capture: &str) {
    // More edges than the overflow map has entries, so many that some must be lost.
    const PEERS: u32 = 10_000;
    netns::enter_new();
    let agent = start(capture, &["--max-edges", "20000"]).that_miscounts();
    agent.signal(Signal::STOP);
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for peer in 1..=PEERS {
        let peer = std::net::Ipv4Addr::from_bits(0x7f01_0000 + peer);
        let client = std::net::TcpStream::connect((peer, port)).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop((client, server));
    }
    agent.signal(Signal::CONT);
    let metrics = agent.expect("what is lost is counted, and why", |it| {
        let reached = it.sum("ngraph_capacity_reached_total", &[("of", "overflow")]);
        reached > 0 && reached == lost(it)
    });
    // Other namespaces' traffic runs the hooks at any time, between one counter and the next.
    agent.wait_for("what was seen is what became of it", |it| {
        it.sum("ngraph_hook_outcomes_total", &[]) == it.sum("ngraph_hook_seen_total", &[])
    });
    let (output, input) = both(&metrics);
    let missing = 2 * u64::from(PEERS) - output - input;
    assert!(missing > 0 && missing <= lost(&metrics), "{missing} of {} events", lost(&metrics));
    // The audit shows it beside the kernel's own count.
    let not_captured = ["output", "input"].map(|direction| {
        let (kernel, captured) = metrics.audited(direction);
        kernel - captured
    });
    assert_eq!(not_captured.iter().sum::<u64>(), missing, "{metrics:#?}");
}
captures!(only_a_full_overflow_map_loses_and_it_is_counted: auto, tracepoint);

fn a_full_socket_map_loses_nothing(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--max-connections", "50"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let all: Vec<Held> = (0..100).map(|_| held(&listener)).collect();
    // Of 200 sockets 50 fit into the map, and 100 into the live set.
    let metrics = agent.expect("all are counted", |it| both(it) == (100, 100));
    assert_eq!(metrics.sum("ngraph_live_connections", &[]), 100, "{metrics:#?}");
    for of in ["sockets", "live"] {
        assert!(metrics.sum("ngraph_capacity_reached_total", &[("of", of)]) > 0, "{of}");
    }
    all.into_iter().for_each(Held::close);
    short_connections("127.0.0.1:0", None, 100);
    let metrics = agent.expect("all are gone, and none was counted twice", |it| {
        both(it) == (200, 200) && live(it) == (0, 0)
    });
    assert_eq!(lost(&metrics), 0);
}
captures!(a_full_socket_map_loses_nothing: auto, tracepoint);
