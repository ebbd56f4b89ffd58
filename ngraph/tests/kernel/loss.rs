//! Events that are lost are counted, and a snapshot mends what they would have told.

use std::net::TcpListener;

use rustix::process::Signal;

use super::support::{
    agent::Agent,
    netns,
    traffic::{Held, held},
};
use crate::captures;

fn a_snapshot_mends_lost_opens_and_closes_and_counts_both(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--ring-bytes", "4096"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let live = |open: u64| {
        move |it: &super::support::metrics::Metrics| {
            it.sum("ngraph_live_connections", &[("direction", "input")]) == open
                && it.sum("ngraph_live_connections", &[("direction", "output")]) == open
        }
    };
    // A page holds some 36 events; stopped, the agent takes none.
    agent.signal(Signal::STOP);
    let all: Vec<Held> = (0..100).map(|_| held(&listener)).collect();
    agent.signal(Signal::CONT);
    let metrics = agent.expect("all are found open", live(100));
    let lost = metrics.sum("ngraph_events_lost_total", &[("reason", "ring_full")]);
    assert!(lost > 0, "nothing was lost: {metrics:#?}");
    assert!(metrics.sum("ngraph_snapshot_repairs_total", &[("kind", "open")]) > 0);
    assert_eq!((metrics.opened("output"), metrics.opened("input")), (100, 100));

    agent.signal(Signal::STOP);
    all.into_iter().for_each(Held::close);
    agent.signal(Signal::CONT);
    let metrics = agent.expect("all are found closed", live(0));
    assert!(metrics.sum("ngraph_snapshot_repairs_total", &[("kind", "close")]) > 0);
}
captures!(a_snapshot_mends_lost_opens_and_closes_and_counts_both: auto, tracepoint);
