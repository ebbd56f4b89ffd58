//! Missing capabilities.

use std::path::Path;

use tempfile::TempDir;

use crate::{
    is_possible, lines, run,
    support::{
        agent::{Agent, command},
        has_kprobes, isolated,
        limited::{CAP_BPF, CAP_PERFMON, Place, with_capabilities},
        netns,
        traffic::short_connections,
    },
};

const STATES: &str = "raw_tracepoint:inet_sock_set_state";
const NEEDS: &str = "needs CAP_BPF and CAP_PERFMON";

#[test]
fn without_capabilities_auto_goes_on_by_snapshots_and_names_what_is_missing() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let mut command = place.command(&["--interval=1", "--no-resolve", "--output"]);
    command.arg(place.output());
    let agent = Agent::run(command, &place.output());
    let metrics = agent.wait_for("the first file", |_| true);
    assert_eq!(agent.capabilities(), 0);
    assert!(!metrics.has_hook(STATES));
    agent.settled();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    let warnings = lines(&log, "WARN");
    assert_eq!(warnings.len(), 1, "{log}");
    for part in ["falling back to /proc snapshots", NEEDS] {
        assert!(warnings[0].contains(part), "{part}: {log}");
    }
}

#[test]
fn without_capabilities_a_capture_asked_for_by_name_is_failure() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    // No capability helps where there are no kprobes.
    let kprobes = if has_kprobes() { NEEDS } else { "this kernel has no kprobes" };
    for (capture, way, why) in
        [("tracepoint", "the raw tracepoint", NEEDS), ("kprobe", "kprobes", kprobes)]
    {
        let mut command = place.command(&["--no-resolve", "--capture", capture, "--output"]);
        command.arg(place.output());
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let failure = lines(&stderr, &format!("ngraph: capture by {way}: "));
        assert_eq!(failure.len(), 1, "{stderr}");
        assert!(failure[0].contains(why), "{stderr}");
        let left = place.output().read_dir().unwrap().count();
        assert_eq!(left, 0, "an agent that never ran left something");
    }
}

#[test]
fn two_capabilities_are_enough_for_the_raw_tracepoint() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let folder = TempDir::new().unwrap();
        let agent = Agent::run(limited(folder.path()), folder.path());
        let first = agent.wait_for("the first file", |_| true);
        assert_eq!(agent.capabilities(), 1 << CAP_BPF | 1 << CAP_PERFMON);
        assert!(first.has_hook(STATES));
        short_connections("127.0.0.1:0", None, 30);
        agent.expect("30 both ways", |metrics| {
            (metrics.opened("output"), metrics.opened("input")) == (30, 30)
        });
        assert_eq!(agent.stop().0.code(), Some(0));
    });
}

fn limited(folder: &Path) -> std::process::Command {
    let mut command =
        command(&["--interval=1", "--no-resolve", "--capture=tracepoint", "--output"]);
    command.arg(folder);
    with_capabilities(&mut command, &[CAP_BPF, CAP_PERFMON]);
    command
}
