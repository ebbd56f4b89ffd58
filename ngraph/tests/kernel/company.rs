//! Other agents on the same hooks.

use super::support::{agent::Agent, metrics::Metrics, netns, traffic::short_connections};
use crate::captures;

fn two_agents_on_the_same_hooks_both_count_all(capture: &str) {
    netns::enter_new();
    let first = Agent::start(&["--capture", capture]);
    let second = Agent::start(&["--capture", capture]);
    // To the first, the connections that the second proves its hooks by are like any.
    let before = first.settled();
    let opened = |metrics: &Metrics| (metrics.opened("output"), metrics.opened("input"));
    let more = |count: u64| (opened(&before).0 + count, opened(&before).1 + count);

    short_connections("127.0.0.1:0", None, 500);
    let metrics = first.expect("the first counts all", |it| opened(it) == more(500));
    assert_eq!(metrics.sum("ngraph_events_lost_total", &[]), 0);
    let metrics = second.expect("the second counts all", |it| opened(it) == (500, 500));
    assert_eq!(metrics.sum("ngraph_events_lost_total", &[]), 0);

    // One that leaves takes nothing with it.
    assert_eq!(first.stop().0.code(), Some(0));
    short_connections("127.0.0.1:0", None, 500);
    second.expect("the second goes on", |it| opened(it) == (1000, 1000));
}
captures!(two_agents_on_the_same_hooks_both_count_all: auto, kprobe, tracepoint);
