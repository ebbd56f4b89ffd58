//! Hooks that are silenced from outside, before the agent starts or while it runs.

use std::{collections::BTreeSet, fs, path::Path};

use rustix::mount::{MountFlags, mount};

use super::{
    super::support::{
        agent::Agent, bpf::detach_socket_ops, isolated, netns, skip_earned,
        traffic::short_connections,
    },
    OPENED, both,
};
use crate::captures;

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
            for direction in ["output", "input"] {
                let (kernel, captured) = metrics.audited(direction);
                assert_eq!(kernel, captured, "the agent's own connections are left out");
            }
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

fn a_control_groups_program_that_is_taken_off_is_noticed_and_attached_anew(capture: &'static str) {
    const HOOK: &str = "cgroup:sock_ops";
    isolated(|| {
        netns::enter_new();
        let agent = Agent::start(&["--capture", capture]);
        if !agent.settled().has_hook(HOOK) {
            return skip_earned("this kernel doesn't preempt tracepoints, or has no BTF");
        }
        let connect = || {
            short_connections("127.0.0.1:0", None, 10);
        };
        connect();
        agent.wait_for("it tells", |it| it.sum("ngraph_hook_seen_total", &[("hook", HOOK)]) > 0);
        detach_socket_ops();
        let mut files = BTreeSet::new();
        agent.wait_for("silence to be noticed", |it| {
            connect();
            files.insert(it.sum("ngraph_last_write_timestamp_seconds", &[]));
            agent.log().contains("cgroup:sock_ops works again")
        });
        assert!(files.len() <= 4, "noticed after {} files\n{}", files.len(), agent.log());
        agent.says("cgroup:sock_ops has fallen silent");
        let before = agent.settled();
        connect();
        agent.expect("it tells again", |it| {
            both(it) == (before.opened("output") + 10, before.opened("input") + 10)
                && it.has_hook(HOOK)
        });
    });
}
captures!(alone a_control_groups_program_that_is_taken_off_is_noticed_and_attached_anew: auto);

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
