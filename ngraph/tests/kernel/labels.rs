//! Labels that are asked for, of real sockets.

use std::{fs, net::TcpListener, thread};

use super::support::{
    agent::Agent,
    has_btf, has_kprobes,
    metrics::Metrics,
    netns, snapshots_without_btf,
    traffic::{held, refused_connects, short_connections},
};
use crate::captures;

const OPENED: &str = "ngraph_connections_opened_total";

/// Connections opened at both ends, and those among them with a label's value.
fn counts(metrics: &Metrics, label: (&str, &str)) -> [(u64, u64); 2] {
    ["output", "input"].map(|direction| {
        let labelled = [("direction", direction), label];
        (metrics.opened(direction), metrics.sum(OPENED, &labelled))
    })
}

fn both_ends_have_the_services_port(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--labels", "port"]);
    for count in [20, 30] {
        let port = short_connections("127.0.0.1:0", None, count).port().to_string();
        let count = count as u64;
        agent.expect("each at the port that was listened at", |it| {
            counts(it, ("port", &port)).map(|(_, labelled)| labelled) == [count, count]
        });
    }
    let metrics = agent.settled();
    assert_eq!(counts(&metrics, ("netns", "")), [(50, 0), (50, 0)], "one label was asked for");
}
captures!(both_ends_have_the_services_port: auto, kprobe, tracepoint);

fn a_failure_has_the_port_that_nobody_listens_at(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--labels", "port"]);
    refused_connects("127.0.0.1", 5);
    let failed = "ngraph_connect_failures_total";
    let metrics = agent.expect("five failures", |it| it.sum(failed, &[]) == 5);
    let port = &metrics.with(failed, &[]).next().expect("a failure").labels["port"];
    assert!(port.parse::<u16>().is_ok_and(|port| port > 0), "{metrics:#?}");
}
captures!(a_failure_has_the_port_that_nobody_listens_at: auto, tracepoint);

/// Any task may choose its own name.
fn call_this_thread(name: &[u8]) {
    fs::write("/proc/thread-self/comm", name).expect("name this thread");
}

fn a_connection_has_the_name_of_the_task_that_made_it(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--labels", "process"]);
    call_this_thread(b"one\"\\\n\xff} 1");
    short_connections("127.0.0.1:0", None, 20);
    call_this_thread(b"another");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = held(&listener);
    let accepts = if has_kprobes() && capture != "tracepoint" { 1 } else { 0 };
    agent.expect("by the name at that time, in letters that do no harm", |it| {
        let one = counts(it, ("process", "one\"\\__} 1"));
        let another = counts(it, ("process", "another"));
        let unknown = counts(it, ("process", ""));
        one == [(21, 20), (21, 20 * accepts)]
            && another == [(21, 1), (21, accepts)]
            && unknown[1] == (21, 21 - 21 * accepts)
    });
    held.close();
    let open = "ngraph_live_connections";
    agent.expect("ends are taken from where they were counted", |it| it.sum(open, &[]) == 0);
    let metrics = agent.settled();
    assert_eq!(metrics.with("network_connections_input_total", &[]).count(), 0, "{metrics:#?}");
}
captures!(a_connection_has_the_name_of_the_task_that_made_it: auto, kprobe, tracepoint);

fn a_connection_found_by_a_snapshot_has_its_port_and_no_process(capture: &str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let one = held(&listener);
    let agent = Agent::start(&["--capture", capture, "--labels", "port,process"]);
    let labels = [("port", &*port), ("process", "")];
    agent.expect("it is open at both ends", |it| {
        ["network_connections_input_total", "network_connections_output_total"]
            .iter()
            .all(|family| it.sum(family, &labels) == 1 && it.sum(family, &[]) == 1)
    });
    one.close();
}
captures!(a_connection_found_by_a_snapshot_has_its_port_and_no_process: auto, kprobe, tracepoint);

fn the_same_addresses_in_two_namespaces_are_two_edges(capture: &'static str) {
    netns::enter_new();
    // No other test uses it: with --all an agent sees every test's namespace.
    let ip = format!("127.8.{}.1", capture.len());
    let args = ["--capture", capture, "--all", "--labels", "netns"];
    let agent = Agent::start(&[&args, snapshots_without_btf()].concat());
    let here = (netns::number(), 3);
    let listen = format!("{ip}:0");
    short_connections(&listen, None, here.1);
    let other = thread::spawn(move || {
        netns::enter_new();
        let there = (netns::number(), 5);
        short_connections(&listen, None, there.1);
        there
    });
    let there = other.join().unwrap();
    // Without BTF the hooks tell of the agent's own namespace alone.
    let both = if has_btf() { vec![here, there] } else { vec![here] };
    agent.expect("each in its own", |it| {
        both.iter().all(|(netns, count)| {
            let edge = [("dest_ip", &*ip), ("netns", &**netns)];
            it.sum(OPENED, &edge) == 2 * *count as u64
        })
    });
}
captures!(the_same_addresses_in_two_namespaces_are_two_edges: auto, kprobe, tracepoint);
