//! How many connections there were, however short they lived.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use super::support::{
    agent::Agent,
    has_btf, has_kprobes,
    metrics::Metrics,
    netns,
    traffic::{burst_of, connect_from, free_port, refused_connects, reset, short_connections},
    wait_for,
};
use crate::captures;

const MANY: usize = 2_000;

fn both(metrics: &Metrics) -> (u64, u64) {
    (metrics.opened("output"), metrics.opened("input"))
}

/// `MANY` connections, each counted once at either end, and gone afterwards.
fn counts_many(capture: &str, listen: &str, connect: Option<&str>, ip: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    short_connections(listen, connect, MANY);
    let all = (MANY as u64, MANY as u64);
    let metrics = agent.expect("each connection is counted at either end", |it| both(it) == all);
    let edge = [("src_ip", ip), ("dest_ip", ip)];
    let total = metrics.sum("ngraph_connections_opened_total", &edge);
    assert_eq!(total, 2 * MANY as u64, "of {ip} with itself: {metrics:#?}");
    assert_eq!(metrics.sum("ngraph_events_lost_total", &[]), 0);
    // The probes tell of a connection when it's accepted; until then a snapshot may find it.
    if capture != "kprobe" {
        assert_eq!(metrics.sum("ngraph_snapshot_repairs_total", &[("kind", "open")]), 0);
        assert_eq!(metrics.sum("ngraph_hook_missed_total", &[]), 0);
    }
    agent.expect("none is left open", |it| it.sum("ngraph_live_connections", &[]) == 0);
}

fn every_short_connection_is_counted(capture: &str) {
    counts_many(capture, "127.0.0.1:0", None, "127.0.0.1");
}
captures!(every_short_connection_is_counted: auto, kprobe, tracepoint);

fn every_short_ipv6_connection_is_counted(capture: &str) {
    counts_many(capture, "[::1]:0", None, "::1");
}
captures!(every_short_ipv6_connection_is_counted: auto, kprobe, tracepoint);

fn an_ipv4_client_of_a_dual_stack_listener_is_counted_as_ipv4(capture: &str) {
    counts_many(capture, "[::]:0", Some("127.0.0.1"), "127.0.0.1");
}
captures!(an_ipv4_client_of_a_dual_stack_listener_is_counted_as_ipv4: auto, kprobe, tracepoint);

fn an_ipv4_mapped_client_is_counted_as_ipv4(capture: &str) {
    counts_many(capture, "[::]:0", Some("::ffff:127.0.0.1"), "127.0.0.1");
}
captures!(an_ipv4_mapped_client_is_counted_as_ipv4: auto, kprobe, tracepoint);

/// Since Linux 7.0 a task may be preempted while it runs a tracepoint's program.
fn what_tasks_do_while_others_wait_on_their_processors_is_counted(capture: &str) {
    const THREADS: usize = 16;
    const EACH: usize = 250;
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    burst_of(THREADS, EACH);
    let all = (THREADS * EACH) as u64;
    agent.expect("each connection is counted at either end", |it| both(it) == (all, all));
    agent.expect("none is left open", |it| it.sum("ngraph_live_connections", &[]) == 0);
}
captures!(what_tasks_do_while_others_wait_on_their_processors_is_counted: auto, tracepoint);

fn accepters_that_waited_before_the_start_miss_nothing(capture: &str) {
    const ACCEPTERS: usize = 64;
    const EACH: usize = 10;
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, tids) = mpsc::channel();
    let accepted = Arc::new(AtomicUsize::new(0));
    let accepters: Vec<_> = (0..ACCEPTERS)
        .map(|_| {
            let (listener, send) = (listener.try_clone().unwrap(), send.clone());
            let accepted = Arc::clone(&accepted);
            thread::spawn(move || {
                send.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
                for _ in 0..EACH {
                    drop(listener.accept().unwrap());
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for tid in tids.iter().take(ACCEPTERS) {
        wait_for("a thread that sleeps in accept()", || {
            let stat = fs::read_to_string(format!("/proc/self/task/{tid}/stat")).ok()?;
            stat.rsplit_once(") ")?.1.starts_with('S').then_some(())
        });
    }
    let agent = Agent::start(&["--capture", capture]);
    for made in 0..ACCEPTERS * EACH {
        // A full queue would make the kernel drop what the client takes for open.
        wait_for("room in the listener's queue", || {
            (made < accepted.load(Ordering::Relaxed) + ACCEPTERS).then_some(())
        });
        drop(TcpStream::connect(address).unwrap());
    }
    accepters.into_iter().for_each(|accepter| accepter.join().unwrap());
    let all = (ACCEPTERS * EACH) as u64;
    let metrics = agent.expect("every accept is counted", |it| both(it) == (all, all));
    if capture == "auto" && has_kprobes() {
        let owned = metrics.sum("ngraph_events_total", &[("kind", "accept")]);
        assert!(owned >= all, "{owned} of {all} accepts told their owner");
    }
}
captures!(accepters_that_waited_before_the_start_miss_nothing: auto, kprobe, tracepoint);

fn the_same_four_tuple_a_hundred_times_is_a_hundred_connections(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let local: SocketAddr = free_port("127.0.0.1");
    for _ in 0..100 {
        let client = connect_from(local, listener.local_addr().unwrap());
        let (server, peer) = listener.accept().unwrap();
        assert_eq!(peer, local);
        reset(client);
        drop(server);
    }
    agent.expect("a hundred at either end", |it| both(it) == (100, 100));
    agent.expect("none is left open", |it| it.sum("ngraph_live_connections", &[]) == 0);
}
captures!(the_same_four_tuple_a_hundred_times_is_a_hundred_connections: auto, kprobe, tracepoint);

fn a_refused_connect_is_a_failure_with_its_reason_and_no_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    refused_connects("127.0.0.1", 50);
    let reason = if has_btf() { "refused" } else { "other" };
    let edge = [("src_ip", "127.0.0.1"), ("dest_ip", "127.0.0.1"), ("reason", reason)];
    agent.expect("fifty refused and none opened", |it| {
        it.sum("ngraph_connect_failures_total", &edge) == 50
            && it.sum("ngraph_connect_failures_total", &[]) == 50
            && it.with("ngraph_connections_opened_total", &[]).count() == 0
    });
}
captures!(a_refused_connect_is_a_failure_with_its_reason_and_no_connection: auto, tracepoint);

fn the_probes_alone_take_an_attempt_for_a_connection(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    refused_connects("127.0.0.1", 50);
    agent.expect("fifty, as --help says", |it| both(it) == (50, 0));
}
captures!(the_probes_alone_take_an_attempt_for_a_connection: kprobe);

fn the_counters_of_the_kernel_side_add_up(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, 100);
    // Other namespaces' connections run the hooks at any time, so at rest means: a file
    // in which the sums agree, which they never would if one were left out.
    agent.wait_for("seen = what became of it, submitted = received", |it| {
        let column = |outcome| it.sum("ngraph_hook_outcomes_total", &[("outcome", outcome)]);
        let seen = it.sum("ngraph_hook_seen_total", &[]);
        let outcomes = it.sum("ngraph_hook_outcomes_total", &[]);
        let received = it.sum("ngraph_events_total", &[]);
        received >= 200 && seen == outcomes && column("submitted") == received
    });
}
captures!(the_counters_of_the_kernel_side_add_up: auto, kprobe, tracepoint);
