//! What changes the whole machine, or holds it up: only for guests, where nothing else runs
//! meanwhile.

mod cost;

use std::{collections::BTreeSet, fs, os::fd::OwnedFd, path::Path, thread, time::Duration};

use rustix::{
    io::Errno,
    mount::{MountFlags, mount},
    net::sockopt,
};

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

fn probes_silenced_by_ftrace_are_found_out(capture: &'static str) {
    isolated(|| found_out(capture, Path::new("/proc/sys/kernel/ftrace_enabled")));
}
captures!(alone probes_silenced_by_ftrace_are_found_out: auto, kprobe);

fn probes_silenced_by_debugfs_are_found_out(capture: &'static str) {
    isolated(|| {
        let folder = tempfile::tempdir().unwrap();
        netns::enter_new_mounts();
        mount("debugfs", folder.path(), "debugfs", MountFlags::empty(), None).unwrap();
        found_out(capture, &folder.path().join("kprobes/enabled"));
    });
}
captures!(alone probes_silenced_by_debugfs_are_found_out: auto, kprobe);

fn probes_that_fall_silent_are_noticed_and_come_back(capture: &'static str) {
    isolated(|| {
        let folder = tempfile::tempdir().unwrap();
        netns::enter_new_mounts();
        mount("debugfs", folder.path(), "debugfs", MountFlags::empty(), None).unwrap();
        let switch = folder.path().join("kprobes/enabled");
        netns::enter_new();
        let agent = Agent::start(&["--capture", capture]);
        let mut made = 0;
        let mut connect = || {
            short_connections("127.0.0.1:0", None, 10);
            made += 10;
            made
        };
        connect();
        agent.wait_for("the probes see", |it| it.sum("ngraph_events_total", &[]) > 0);

        let off = Off::new(&switch);
        let mut files = BTreeSet::new();
        let silent = agent.wait_for("silence to be noticed", |it| {
            connect();
            files.insert(it.sum("ngraph_last_write_timestamp_seconds", &[]));
            !it.has_hook("kprobe:tcp_connect") && !it.has_hook("kprobe:security_sock_graft")
        });
        // The file before, and three intervals.
        assert!(files.len() <= 4, "noticed after {} files\n{}", files.len(), agent.log());
        for part in ["kprobe:tcp_connect has fallen silent", "going on without kprobe:tcp_connect"]
        {
            agent.says(part);
        }
        assert_eq!(silent.has_hook("raw_tracepoint:inet_sock_set_state"), capture == "auto");

        drop(off);
        agent.wait_for("the probes to be back", |it| {
            connect();
            it.has_hook("kprobe:tcp_connect") && it.has_hook("kprobe:security_sock_graft")
        });
        if capture == "auto" {
            let all = connect();
            let metrics = agent.expect("nothing was missed", |it| both(it) == (all, all));
            let (kernel, captured) = (
                metrics.sum("ngraph_kernel_opens_total", &[]),
                metrics.sum("ngraph_captured_opens_total", &[]),
            );
            assert_eq!(kernel, captured, "the agent's own connections are left out");
        } else {
            let before = agent.settled();
            connect();
            agent.expect("the probes count again", |it| {
                it.opened("output") == before.opened("output") + 10
            });
        }
    });
}
captures!(alone probes_that_fall_silent_are_noticed_and_come_back: auto, kprobe);

/// Starts an agent while a switch of the kernel's is off: probes attach and never fire.
fn found_out(capture: &str, switch: &Path) {
    netns::enter_new();
    let _off = Off::new(switch);
    if capture == "kprobe" {
        let (status, log) = Agent::launch(&["--capture", capture]).end();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("capture by kprobes: "), "{log}");
        assert!(log.contains("attached, but told nothing of"), "{log}");
        assert!(log.contains("--capture auto takes what there is"), "{log}");
        return;
    }
    let agent = Agent::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, OPENED as usize);
    let metrics = agent.expect("all is counted", |it| both(it) == (OPENED, OPENED));
    let log = agent.stop().1;
    let left_out = lines(&log, "attached, but told nothing of");
    for probe in ["kprobe:tcp_connect", "kprobe:security_sock_graft", "kretprobe:inet_csk_accept"] {
        assert!(!metrics.has_hook(probe), "{probe}");
        assert!(left_out.contains(probe), "{probe}: {log}");
    }
    assert!(metrics.has_hook("raw_tracepoint:inet_sock_set_state"));
}

/// The lines of a log that have `part` in them.
fn lines(log: &str, part: &str) -> String {
    log.lines().filter(|line| line.contains(part)).collect()
}

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

/// A switch of the kernel's that is off until this is dropped.
struct Off<'a> {
    switch: &'a Path,
    before: String,
}

impl<'a> Off<'a> {
    fn new(switch: &'a Path) -> Self {
        let before = fs::read_to_string(switch).unwrap();
        fs::write(switch, "0").unwrap();
        Self { switch, before }
    }
}

impl Drop for Off<'_> {
    fn drop(&mut self) {
        fs::write(self.switch, self.before.trim()).unwrap();
    }
}
