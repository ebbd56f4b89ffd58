//! What changes the whole machine, or holds it up: only for guests, where nothing else runs
//! meanwhile.

mod cost;
mod handover;
mod silence;

use std::{fs, os::fd::OwnedFd, thread, time::Duration};

use rustix::{io::Errno, net::sockopt};

use super::support::{
    agent::Agent,
    bpf::{Counter, Hog, stay_on_first_processor},
    has_btf, isolated,
    metrics::Metrics,
    netns,
    sockets::{address, connecting, deaf_listener},
    traffic::short_connections,
    wait_for,
};
use crate::captures;

/// Attempts that time out while the processor is held.
const ATTEMPTS: u64 = 100;
/// Connections opened and closed there.
const OPENED: u64 = 50;

/// The kernel runs no program of a kprobe where one runs already, anybody's: its guard is
/// one for all. What comes by interrupt, as the end of an attempt that times out does, is
/// kept from them then. A raw tracepoint's guard is its own.
/// (`trace_call_bpf`) <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c>
fn what_happens_while_another_program_holds_the_processor_is_captured(capture: &'static str) {
    isolated(|| {
        netns::enter_new();
        // Two to three seconds for an attempt, not two minutes.
        fs::write("/proc/sys/net/ipv4/tcp_syn_retries", "1").unwrap();
        let agent = Agent::start(&["--capture", capture]);
        stay_on_first_processor();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let deaf = deaf_listener(anywhere);

        let hog = Hog::start();
        short_connections("127.0.0.1:0", None, OPENED as usize);
        let another = Counter::on("tcp_done");
        let mut attempts: Vec<OwnedFd> = Vec::new();
        while attempts.len() < ATTEMPTS as usize {
            attempts.push(connecting(anywhere, address(&deaf)));
            // Not all at once: the kernel would leave so much to a task of its own.
            thread::sleep(Duration::from_millis(10));
        }
        wait_for("the attempts to time out", || {
            attempts.retain(|attempt| !has_timed_out(attempt));
            attempts.is_empty().then_some(())
        });
        drop(hog);
        let seen = another.count();
        assert!(seen < ATTEMPTS, "the processor was not held: {seen} ends seen by a kprobe");

        if capture == "kprobe" {
            // Tasks call the probes' functions, and don't run meanwhile; to the probes an
            // attempt is a connection.
            let metrics = agent.expect("each call of connect and accept", |it| {
                both(it) == (OPENED + ATTEMPTS, OPENED)
            });
            assert_eq!(metrics.sum("ngraph_hook_missed_total", &[]), 0, "{metrics:#?}");
        } else {
            let reason = if has_btf() { "timeout" } else { "other" };
            agent.expect("each connection and each attempt", |it| {
                both(it) == (OPENED, OPENED)
                    && it.sum("ngraph_connect_failures_total", &[("reason", reason)]) == ATTEMPTS
                    && it.sum("ngraph_connect_failures_total", &[]) == ATTEMPTS
            });
        }
    });
}
captures!(alone what_happens_while_another_program_holds_the_processor_is_captured: auto, kprobe, tracepoint);

fn other_tracers_on_the_same_functions_change_nothing_and_miss_nothing(capture: &'static str) {
    isolated(|| {
        netns::enter_new();
        let functions = ["tcp_connect", "inet_csk_accept", "security_sock_graft", "tcp_set_state"];
        let before = functions.map(Counter::on);
        let agent = Agent::start(&["--capture", capture]);
        let after = functions.map(Counter::on);
        short_connections("127.0.0.1:0", None, OPENED as usize);
        agent.expect("each is counted", |it| both(it) == (OPENED, OPENED));
        for (other, function) in before.iter().chain(&after).zip(functions.iter().cycle()) {
            let seen = other.count();
            assert!(seen >= OPENED, "{function}: {seen} calls seen");
        }
    });
}
captures!(alone other_tracers_on_the_same_functions_change_nothing_and_miss_nothing: auto, kprobe, tracepoint);

fn both(metrics: &Metrics) -> (u64, u64) {
    (metrics.opened("output"), metrics.opened("input"))
}

fn has_timed_out(attempt: &OwnedFd) -> bool {
    match sockopt::socket_error(attempt).unwrap() {
        Ok(()) => false,
        Err(err) => {
            assert_eq!(err, Errno::TIMEDOUT);
            true
        }
    }
}
