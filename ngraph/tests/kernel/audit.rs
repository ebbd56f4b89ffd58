//! The kernel's own counts beside what was captured.

use std::{net::TcpListener, sync::mpsc, thread};

use super::support::{
    agent::Agent,
    has_btf,
    holder::Holder,
    netns,
    sockets::{address, connected, connecting, deaf_listener, undeafen},
    traffic::{burst, held, refused_connects, short_connections},
};
use crate::captures;

fn captured_is_what_the_kernel_counts(capture: &str) {
    netns::enter_new();
    // Older than the agent: of these neither counts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _older = held(&listener);
    let agent = Agent::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, 300);
    short_connections("[::1]:0", None, 200);
    refused_connects("127.0.0.1", 40);
    burst(2_000);
    agent.expect("kernel and capture agree to the connection", |it| {
        it.is_audited("output", 2_540) && it.is_audited("input", 2_500)
    });
    agent.expect("nothing is on its way", |it| it.sum("ngraph_opens_in_flight", &[]) == 0);
}
captures!(captured_is_what_the_kernel_counts: auto, tracepoint);

fn each_namespace_has_its_own_audit(capture: &str) {
    netns::enter_new();
    // A namespace is audited through a process that a snapshot saw in it.
    let agent = Agent::start(&["--capture", capture, "--all", "--snapshot-interval", "1"]);
    let (tell, told) = mpsc::channel();
    let (connect, asked) = mpsc::channel::<()>();
    let other = thread::spawn(move || {
        netns::enter_new();
        // Snapshots look through processes, not threads.
        let _here = Holder::inherits(&[]);
        tell.send(netns::number()).unwrap();
        asked.recv().unwrap();
        short_connections("127.0.0.1:0", None, 70);
        let _ = asked.recv();
    });
    short_connections("127.0.0.1:0", None, 30);
    let (own, other_netns) = (netns::number(), told.recv().unwrap());
    let expect = |netns: &str, opened| {
        agent.expect("kernel and capture agree in each namespace", |it| {
            let labels = [("netns", netns), ("direction", "input")];
            // One that isn't audited yet has no line, which is no zero.
            ["ngraph_captured_opens_total", "ngraph_kernel_opens_total"].iter().all(|family| {
                let values: Vec<f64> = it.with(family, &labels).map(|line| line.value).collect();
                values == [opened]
            })
        })
    };
    expect(&own, 30.0);
    if !has_btf() {
        // The other namespace is left to the snapshots.
        let audits = agent.settled().with("ngraph_kernel_opens_total", &[]).count();
        assert_eq!(audits, 2, "its own, a direction each");
        drop(connect);
        return drop(other.join());
    }
    expect(&other_netns, 0.0);
    connect.send(()).unwrap();
    expect(&other_netns, 70.0);
    expect(&own, 30.0);
    drop(connect);
    other.join().unwrap();
}
captures!(each_namespace_has_its_own_audit: auto, tracepoint);

fn an_attempt_on_its_way_explains_the_difference(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let deaf = deaf_listener("127.0.0.1:0".parse().unwrap());
    let pending = connecting("127.0.0.1:0".parse().unwrap(), address(&deaf));
    let metrics = agent.expect("one is on its way", |it| {
        let (kernel, captured) = it.audited("output");
        it.sum("ngraph_opens_in_flight", &[]) == kernel - captured && kernel == captured + 1
    });
    assert_eq!(metrics.sum("ngraph_events_lost_total", &[]), 0);
    drop(pending);
    agent.expect("given up, it is a failure", |it| {
        let (kernel, captured) = it.audited("output");
        kernel == captured && it.sum("ngraph_opens_in_flight", &[]) == 0
    });
}
captures!(an_attempt_on_its_way_explains_the_difference: auto, tracepoint);

fn attempts_that_found_no_room_in_the_map_are_captured(capture: &str) {
    const ROOM: usize = 64;
    const WITHOUT: usize = 20;
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--max-connections", &ROOM.to_string()]);
    let agent = if has_btf() { agent } else { agent.that_miscounts() };
    let anywhere = "127.0.0.1:0".parse().unwrap();
    let deaf = deaf_listener(anywhere);
    let mut attempts: Vec<_> =
        (0..ROOM + WITHOUT).map(|_| connecting(anywhere, address(&deaf))).collect();
    // There is room for no more of them than these, whichever they are.
    agent.wait_for("the map to be full", |it| {
        it.sum("ngraph_opens_in_flight", &[]) <= ROOM as u64
            && it.audited("output").0 == (ROOM + WITHOUT) as u64
    });
    // The last had none: half of them fail, and the others open when there is some.
    attempts.truncate(ROOM + WITHOUT / 2);
    attempts.drain(..ROOM / 2);
    undeafen(&deaf);
    deaf.set_nonblocking(false).unwrap();
    let clients: Vec<_> = attempts.into_iter().map(connected).collect();
    for _ in &clients {
        drop(deaf.accept().unwrap());
    }
    let all = (ROOM + WITHOUT) as u64;
    // Without BTF a socket that failed has no port, by which one without an owner is told from those
    // older than the agent.
    let captured = if has_btf() { all } else { all - WITHOUT as u64 / 2 };
    agent.expect("each attempt is captured", |it| it.audited("output") == (all, captured));
}
captures!(attempts_that_found_no_room_in_the_map_are_captured: auto, tracepoint);
