//! Many connections in little time, and a start in the middle of them.

use std::{
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use super::support::{
    agent::Agent,
    figure,
    metrics::Metrics,
    netns,
    tally::Tally,
    traffic::{paced, reset},
    wait_for,
};
use crate::captures;

/// Connections at least, and those of them that are made before the agent is started.
const BURST: u64 = 20_000;
const BEFORE: u64 = 2_000;

/// Connections that are made after the agent's first file.
const AFTER: u64 = 2_000;

fn a_start_in_the_middle_of_a_burst_counts_all_that_opens_after_it(capture: &str) {
    netns::enter_new();
    let made = AtomicU64::new(0);
    let is_enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            while !is_enough.load(Ordering::Relaxed) || made.load(Ordering::Relaxed) < BURST {
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let server = listener.accept().unwrap();
                // No port stays in TIME_WAIT, of which there aren't enough.
                reset(client);
                drop(server);
                made.fetch_add(1, Ordering::Relaxed);
            }
        });
        // However long it takes, as long as it goes on.
        let reaches = |count: u64| {
            let now = || made.load(Ordering::Relaxed);
            while now() < count {
                let so_far = now();
                wait_for("the burst goes on", || (now() > so_far).then_some(()));
            }
        };
        reaches(BEFORE);
        let before = made.load(Ordering::Relaxed);
        let agent = Agent::start(&["--capture", capture]);
        let by_the_first_file = made.load(Ordering::Relaxed);
        reaches(by_the_first_file + AFTER);
        is_enough.store(true, Ordering::Relaxed);
        reaches(BURST);

        let metrics = agent.expect("none is left open", |it| {
            it.sum("ngraph_live_connections", &[]) == 0 && seen(it) >= AFTER
        });
        let all = made.load(Ordering::Relaxed);
        let after = all - by_the_first_file;
        // One may be on its way at either of the two times.
        let possible = after.saturating_sub(1)..=all - before + 1;
        for direction in ["output", "input"] {
            let opened = metrics.opened(direction);
            assert!(possible.contains(&opened), "{direction}: {opened}, not of {possible:?}");
        }
        assert!(metrics.0.iter().all(|sample| sample.value >= 0.0), "{metrics:#?}");
        assert_eq!(Tally::of(&metrics).lost, 0, "{metrics:#?}");
    });
}
captures!(a_start_in_the_middle_of_a_burst_counts_all_that_opens_after_it: auto, tracepoint);

/// Connections a second, and how many are made at that rate; the last is more than most
/// machines make.
const RATES: [(u32, u64); 3] = [(1_000, 500), (10_000, 5_000), (40_000, 10_000)];

fn at_each_rate_what_is_captured_is_what_the_kernel_counts(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let mut all = 0;
    for (rate, count) in RATES {
        let reached = paced(rate, count);
        figure(&format!("{reached} connections a second where {rate} were asked for"));
        all += count;
        let metrics = agent.expect(&format!("all {count} at {rate} a second are counted"), |it| {
            let is_all = |direction| it.opened(direction) == all && it.is_audited(direction, all);
            is_all("output") && is_all("input")
        });
        assert_eq!(Tally::of(&metrics).lost, 0, "{metrics:#?}");
    }
}
captures!(at_each_rate_what_is_captured_is_what_the_kernel_counts: auto, tracepoint);

fn seen(metrics: &Metrics) -> u64 {
    metrics.opened("output").min(metrics.opened("input"))
}
