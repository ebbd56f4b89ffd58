//! What was there before the agent, and what happens while it starts.

use std::{net::TcpListener, thread, time::Duration};

use super::support::{
    agent::Agent,
    has_btf,
    metrics::Metrics,
    netns, snapshots_without_btf,
    traffic::{Held, connect_from, held},
};
use crate::captures;

fn open_now(metrics: &Metrics) -> (u64, u64) {
    let of = |family| metrics.sum(family, &[]);
    (of("network_connections_output_total"), of("network_connections_input_total"))
}

fn connections_older_than_the_agent_are_there_with_their_direction(capture: &str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held: Vec<Held> = (2000..2020)
        .map(|port| {
            let local = format!("127.0.0.2:{port}").parse().unwrap();
            let client = connect_from(local, listener.local_addr().unwrap());
            Held { client, server: listener.accept().unwrap().0 }
        })
        .collect();
    let args = [&["--capture", capture], snapshots_without_btf()].concat();
    let agent = Agent::start(&args);
    let metrics =
        agent.expect("each is there once in each direction", |it| open_now(it) == (20, 20));
    let edge = [("src_ip", "127.0.0.2"), ("dest_ip", "127.0.0.1")];
    assert_eq!(metrics.sum("network_connections_output_total", &edge), 20);
    assert_eq!(metrics.sum("network_connections_input_total", &edge), 20);
    assert_eq!((metrics.opened("output"), metrics.opened("input")), (0, 0), "not opened by now");
    held.into_iter().for_each(Held::close);
    let metrics = agent.expect("they end", |it| open_now(it) == (0, 0));
    assert_eq!(metrics.sum("ngraph_live_connections", &[]), 0);
    if capture != "kprobe" && capture != "procfs" {
        let repairs = metrics.sum("ngraph_snapshot_repairs_total", &[]);
        // Without BTF a closed socket's port isn't known, so snapshots find those ends.
        let expected = if has_btf() { 0 } else { 20 };
        assert_eq!(repairs, expected, "the hooks saw them end");
    }
}
captures!(connections_older_than_the_agent_are_there_with_their_direction: auto, kprobe, tracepoint, procfs);

fn connections_opened_while_the_agent_starts_are_there_once(capture: &'static str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The thread's namespace is this one's.
    let start = thread::spawn(move || Agent::start(&["--capture", capture]));
    let mut all: Vec<Held> = Vec::new();
    let mut after = 0;
    // On through the start, and a little beyond it.
    while after < 20 {
        all.push(held(&listener));
        after += u32::from(start.is_finished());
        // A start takes seconds under emulation, and a process has 1,024 descriptors.
        thread::sleep(Duration::from_millis(25));
    }
    let agent = start.join().unwrap();
    let made = all.len() as u64;
    agent.expect("each is there once in each direction", |it| open_now(it) == (made, made));
}
captures!(connections_opened_while_the_agent_starts_are_there_once: auto, kprobe, tracepoint, procfs);

fn the_agents_own_connections_are_none(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    agent.expect("nothing", |it| {
        it.with("ngraph_connections_opened_total", &[]).count() == 0
            && it.with("ngraph_connect_failures_total", &[]).count() == 0
            && it.sum("ngraph_live_connections", &[]) == 0
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = held(&listener);
    agent.expect("and then one", |it| open_now(it) == (1, 1));
    one.close();
}
captures!(the_agents_own_connections_are_none: auto, kprobe, tracepoint, procfs);

fn every_hook_that_the_kernel_has_is_attached_and_proven(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let metrics = agent.settled();
    let probes = super::support::has_kprobes() && capture != "tracepoint";
    for (hook, expected) in [
        ("raw_tracepoint:inet_sock_set_state", capture != "kprobe"),
        ("kprobe:tcp_connect", probes),
        ("kretprobe:inet_csk_accept", probes),
        ("kprobe:security_sock_graft", probes),
        ("cgroup:sock_ops", capture != "kprobe" && preempts_tracepoints()),
    ] {
        assert_eq!(metrics.has_hook(hook), expected, "{hook}");
    }
}
/// Whether this kernel preempts tasks in a tracepoint's program: Linux 7.0 and newer.
fn preempts_tracepoints() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    has_btf() && release.split('.').next().unwrap().parse::<u32>().unwrap() >= 7
}
captures!(every_hook_that_the_kernel_has_is_attached_and_proven: auto, kprobe, tracepoint);
