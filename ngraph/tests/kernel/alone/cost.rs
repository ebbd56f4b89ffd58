//! What a connection costs the kernel, where time means nothing: runs of programs.

use crate::{
    captures,
    support::{agent::Agent, bpf, isolated, metrics::Metrics, netns, traffic},
};

/// Connections, each seen at both ends.
const MANY: u64 = 1_000;

/// What the agent's own connections and other sockets' may add to each.
const ROOM: f64 = 0.1;

/// The probes run once each: a task connects, a task accepts, a socket is handed over. A
/// connection that both ends close in turn changes its state ten times, of which each of the
/// tracepoint's two witnesses is told. Where the control group's program is attached, it is
/// called for each end's changes and for what else a socket asks of it.
fn a_connection_runs_so_many_programs_and_no_more(capture: &'static str) {
    isolated(|| {
        netns::enter_new();
        let _kept = bpf::keep_run_times();
        let agent = Agent::start(&["--capture", capture]);
        let before = agent.settled();
        traffic::short_connections("127.0.0.1:0", None, MANY as usize);
        let after = agent.expect("every connection is counted", |it| {
            (it.opened("output"), it.opened("input")) == (MANY, MANY)
        });
        let runs = |of: &[&str]| of.iter().map(|program| runs(&before, &after, program)).sum();
        let probes: f64 = runs(&["tcp_connect", "inet_csk_accept", "security_sock_graft"]);
        let witnesses: f64 = runs(&["inet_sock_set_state", "inet_sock_set_state_2"]);
        let called: f64 = runs(&["sock_ops_states"]);
        eprintln!("{capture}: {probes:.2} + {witnesses:.2} + {called:.2} runs a connection");
        let is_most = |runs: f64, most: f64| runs <= most + ROOM;
        assert!(is_most(probes, 3.0), "{probes} runs of the probes");
        assert!(is_most(witnesses, 20.0), "{witnesses} runs of the witnesses");
        assert!(is_most(called, 30.0), "{called} runs of the control group's program");
        match capture {
            "kprobe" => assert_eq!((probes > 1.9, witnesses, called), (true, 0.0, 0.0)),
            "tracepoint" => assert_eq!((probes, witnesses > 0.0), (0.0, true)),
            _ => assert!(probes > 0.0 && witnesses > 0.0, "{probes}, {witnesses}"),
        }
    });
}
captures!(alone a_connection_runs_so_many_programs_and_no_more: auto, kprobe, tracepoint);

fn runs(before: &Metrics, after: &Metrics, program: &str) -> f64 {
    let runs = |it: &Metrics| it.sum("ngraph_bpf_runs_total", &[("program", program)]);
    (runs(after) - runs(before)) as f64 / MANY as f64
}
