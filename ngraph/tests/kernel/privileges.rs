//! The least that the agent runs with, as a user who owns nothing.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    sync::mpsc,
    thread,
};

use rustix::thread::CapabilitySet;

use super::support::{
    agent::Agent,
    isolated,
    limited::Place,
    netns,
    traffic::{held, short_connections},
};
use crate::captures;

const TRACING: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);
const STATES: &str = "raw_tracepoint:inet_sock_set_state";
const PROBES: [&str; 3] =
    ["kprobe:tcp_connect", "kretprobe:inet_csk_accept", "kprobe:security_sock_graft"];
const PARANOIA: &str = "/proc/sys/kernel/perf_event_paranoid";

fn two_capabilities_are_enough_for_any_user(capture: &'static str) {
    isolated(|| {
        netns::enter_new();
        let place = Place::new();
        let agent = place.start_with(TRACING, &["--capture", capture]);
        assert_eq!(agent.capabilities(), TRACING.bits());
        counts_all(&agent);
        assert_eq!(agent.stop().0.code(), Some(0));
    });
}
captures!(two_capabilities_are_enough_for_any_user: auto, tracepoint);

fn counts_all(agent: &Agent) {
    short_connections("127.0.0.1:0", None, 30);
    let metrics = agent.expect("30 both ways", |metrics| {
        (metrics.opened("output"), metrics.opened("input")) == (30, 30)
    });
    assert!(metrics.has_hook(STATES));
}

fn where_a_paranoid_kernel_refuses_kprobes_auto_says_so_and_goes_on_without(_: &'static str) {
    isolated(|| {
        netns::enter_new();
        let before = fs::read_to_string(PARANOIA).unwrap();
        // Root's agents, those of other tests, aren't bound by it.
        for (paranoia, has_probes) in [("3", false), ("2", true)] {
            fs::write(PARANOIA, paranoia).unwrap();
            let place = Place::new();
            let agent = place.start_with(TRACING, &["--capture=auto"]);
            counts_all(&agent);
            let metrics = agent.metrics().unwrap();
            for probe in PROBES {
                assert_eq!(metrics.has_hook(probe), has_probes, "{probe}");
            }
            let log = agent.stop().1;
            let told = log.lines().filter(|line| line.contains("INFO without kprobe:tcp_connect"));
            let told: Vec<&str> = told.collect();
            assert_eq!(told.len(), usize::from(!has_probes), "{log}");
            for line in told {
                assert!(line.contains("kernel.perf_event_paranoid is 3"), "{log}");
            }
        }
        fs::write(PARANOIA, before).unwrap();
    });
}
// Where there are any.
captures!(where_a_paranoid_kernel_refuses_kprobes_auto_says_so_and_goes_on_without: kprobe);

fn with_ptrace_other_users_namespaces_are_seen(capture: &'static str) {
    isolated(|| {
        let address = Ipv4Addr::new(127, 9, 9, capture.len() as u8);
        let (ready, is_ready) = mpsc::channel();
        let (done, is_done) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            netns::enter_new();
            // Root's process, through which alone the namespace can be seen.
            let _inhabitant = Agent::start(&["--capture=procfs"]);
            let listener = TcpListener::bind((address, 0)).unwrap();
            let held = held(&listener);
            ready.send(()).unwrap();
            let _ = is_done.recv();
            drop(held);
        });
        is_ready.recv().expect("the other namespace's traffic");
        netns::enter_new();
        let place = Place::new();
        let kept = TRACING | CapabilitySet::SYS_PTRACE;
        let agent = place.start_with(kept, &["--all", "--capture", capture]);
        assert_eq!(agent.capabilities(), kept.bits());
        agent.expect("the other's connection, older than the agent", |metrics| {
            let edge = [("dest_ip", &*address.to_string())];
            metrics.sum("network_connections_input_total", &edge) == 1
        });
        done.send(()).unwrap();
        other.join().unwrap();
    });
}
captures!(with_ptrace_other_users_namespaces_are_seen: auto, tracepoint);
