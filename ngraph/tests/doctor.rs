//! `ngraph doctor`: what it says of a machine, as root and as nobody, and by its exit code.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use support::{
    agent::command,
    isolated,
    limited::{CAP_BPF, CAP_PERFMON, Place, with_capabilities},
    netns, skip,
};
use tempfile::{NamedTempFile, TempDir};

const STATES: &str = "raw_tracepoint:inet_sock_set_state";
const HELD: &str = "iterator:task_file";
const HOOKS: [&str; 4] =
    [STATES, "kprobe:tcp_connect", "kretprobe:inet_csk_accept", "kprobe:security_sock_graft"];

/// What doctor said: each name's state and text, in its exit code's company.
struct Report {
    code: Option<i32>,
    lines: BTreeMap<String, (String, String)>,
    text: String,
}

#[test]
fn root_is_told_that_the_raw_tracepoint_is_proven() {
    if !is_possible() {
        return;
    }
    let report = examine(command(&["doctor", "--no-resolve", "--output=-"]));
    assert_eq!(report.code, Some(0), "{}", report.text);
    let names =
        ["kernel", "ring buffer", "BTF", "capabilities", STATES, HELD, "snapshots", "agent"];
    for name in names {
        assert_eq!(report.state(name), "ok", "{name}\n{}", report.text);
    }
    let fence = report.about("fence");
    assert!(fence.contains("keeps CAP_PERFMON, CAP_BPF; exec, ptrace,"), "{}", report.text);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(report.about("kernel"), release.trim());
    assert!(report.about("capture").contains(STATES), "{}", report.text);
    for hook in HOOKS.iter().filter(|hook| hook.contains("kprobe") || hook.contains("kretprobe")) {
        let expected = if support::has_kprobes() { "ok" } else { "missing" };
        assert_eq!(report.state(hook), expected, "{hook}\n{}", report.text);
        let is_why = report.about(hook).starts_with("this kernel has no kprobes");
        assert_eq!(is_why, expected == "missing", "{hook}\n{}", report.text);
    }
}

#[test]
fn the_self_test_finds_each_of_its_thousand_connections() {
    if !is_possible() {
        return;
    }
    netns::enter_new();
    let args = ["doctor", "--self-test", "--no-resolve", "--output=-"];
    for ring_bytes in ["1048576", "4096"] {
        let mut command = command(&args);
        command.args(["--ring-bytes", ring_bytes]);
        let report = examine(command);
        assert_eq!(report.code, Some(0), "{}", report.text);
        let all = "1000 outbound, 1000 inbound";
        assert_eq!(report.about("captured"), format!("{all} of 1000 connections to itself"));
        let counted = format!("{all}; captured of all meanwhile: {all}");
        assert_eq!(report.about("kernel's count"), counted, "alone in its namespace");
        assert_eq!((report.state("lost"), report.about("lost")), ("ok", "0"));
    }
}

#[test]
fn without_hooks_the_self_test_fails() {
    if !is_possible() {
        return;
    }
    netns::enter_new();
    let args = ["doctor", "--self-test", "--no-resolve", "--output=-", "--capture=procfs"];
    let report = examine(command(&args));
    assert_eq!((report.code, report.state("lost")), (Some(1), "missing"), "{}", report.text);
}

#[test]
fn nobody_is_told_what_is_missing_and_that_snapshots_remain() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let mut command = place.command(&["doctor", "--no-resolve", "--all", "--output"]);
    command.arg(place.output());
    let report = examine(command);
    assert_eq!(report.code, Some(0), "auto does without hooks\n{}", report.text);
    for name in HOOKS.into_iter().chain(["ring buffer", "capabilities", "capture", "namespaces"]) {
        assert_eq!(report.state(name), "missing", "{name}\n{}", report.text);
    }
    assert!(report.about("capabilities").contains("no CAP_BPF, no CAP_PERFMON"), "{}", report.text);
    assert!(report.about("namespaces").contains("CAP_SYS_PTRACE"), "{}", report.text);
    for name in ["snapshots", "output", "readers", "agent"] {
        assert_eq!(report.state(name), "ok", "{name}\n{}", report.text);
    }
    assert_eq!(place.output().read_dir().unwrap().count(), 0, "something is left in the folder");
}

#[test]
fn nobody_can_not_capture_by_the_tracepoint_and_that_is_failure() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let args = ["doctor", "--no-resolve", "--output=-", "--capture=tracepoint"];
    assert_fails_for_want_of(&examine(place.command(&args)), "capture");
}

#[test]
fn two_capabilities_prove_the_raw_tracepoint() {
    if !is_possible() {
        return;
    }
    let mut command = command(&["doctor", "--no-resolve", "--output=-", "--capture=tracepoint"]);
    with_capabilities(&mut command, &[CAP_BPF, CAP_PERFMON]);
    let report = examine(command);
    assert_eq!(report.code, Some(0), "{}", report.text);
    assert_eq!(report.about("capabilities"), "CAP_BPF, CAP_PERFMON");
    for name in [STATES, HELD] {
        assert_eq!(report.state(name), "ok", "{name}\n{}", report.text);
    }
}

#[test]
fn without_btf_the_loss_is_told_and_the_tracepoint_is_proven_all_the_same() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new_mounts();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("tmpfs", "/sys/kernel/btf", "tmpfs", flags, None).unwrap();
        let report = examine(command(&["doctor", "--no-resolve", "--output=-"]));
        assert_eq!(report.code, Some(0), "{}", report.text);
        assert_eq!(report.state("BTF"), "missing", "{}", report.text);
        assert!(report.about("BTF").contains("failures have no reason"), "{}", report.text);
        assert_eq!(report.state(STATES), "ok", "{}", report.text);
        assert_eq!(report.state(HELD), "missing", "{}", report.text);
    });
}

#[test]
fn an_output_folder_that_can_not_be_is_failure() {
    let file = NamedTempFile::new().unwrap();
    let mut command = command(&["doctor", "--no-resolve", "--capture=procfs", "--output"]);
    command.arg(file.path());
    let report = examine(command);
    assert_fails_for_want_of(&report, "output");
    let expected = format!("write in {}: not a directory (", file.path().display());
    assert!(report.about("output").starts_with(&expected), "{}", report.text);
}

#[test]
fn a_folder_that_is_no_proc_file_system_is_failure() {
    let empty = TempDir::new().unwrap();
    let mut command = command(&["doctor", "--no-resolve", "--capture=procfs", "--output=-"]);
    command.arg("--procfs").arg(empty.path());
    let report = examine(command);
    assert_fails_for_want_of(&report, "snapshots");
    assert!(report.about("snapshots").contains("--procfs"), "{}", report.text);
}

#[test]
fn a_missing_output_folder_is_not_made() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/b");
    let mut command = command(&["doctor", "--no-resolve", "--capture=procfs", "--output"]);
    command.arg(&folder);
    let report = examine(command);
    assert_eq!(report.about("output"), format!("{} will be made", folder.display()));
    assert_eq!(parent.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_running_agent_keeps_another_out_of_its_folder_and_is_left_alone() {
    let agent = support::agent::Agent::start(&["--capture=procfs"]);
    let file = agent.file();
    let mut command = command(&["doctor", "--no-resolve", "--capture=procfs", "--output"]);
    command.arg(file.parent().unwrap());
    let report = examine(command);
    assert_eq!(report.state("output"), "ok", "{}", report.text);
    assert_fails_for_want_of(&report, "lock");
    let holder = format!("process {} (ngraph) has the lock of ", agent.pid());
    assert!(report.about("lock").starts_with(&holder), "{}", report.text);
    assert_eq!(agent.settled().sum("ngraph_write_failures_total", &[]), 0);
}

#[test]
fn a_reader_who_never_reads_changes_nothing() {
    let mut command = command(&["doctor", "--no-resolve", "--capture=procfs", "--output=-"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn is_possible() -> bool {
    let is_root = support::is_root();
    if !is_root {
        skip("needs root");
    }
    is_root
}

fn examine(mut command: Command) -> Report {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.is_empty(), "findings go to stdout: {stderr}");
    let line = |line: &str| {
        let (state, rest) = line.split_once(' ').unwrap();
        assert!(["ok", "missing"].contains(&state), "{line}");
        let (name, about) = rest.trim_start().split_once("  ").unwrap();
        (name.to_owned(), (state.to_owned(), about.trim_start().to_owned()))
    };
    let lines: BTreeMap<_, _> = text.lines().map(line).collect();
    assert_eq!(lines.len(), text.lines().count(), "a name is there twice:\n{text}");
    Report { code: output.status.code(), lines, text }
}

fn assert_fails_for_want_of(report: &Report, name: &str) {
    assert_eq!(report.code, Some(1), "{}", report.text);
    assert_eq!(report.state(name), "missing", "{}", report.text);
    let expected = format!("can't run with these options, for want of: {name}");
    assert_eq!(report.about("agent"), expected);
}

impl Report {
    fn state(&self, name: &str) -> &str {
        &self.line(name).0
    }

    fn about(&self, name: &str) -> &str {
        &self.line(name).1
    }

    fn line(&self, name: &str) -> &(String, String) {
        self.lines.get(name).unwrap_or_else(|| panic!("nothing about {name}:\n{}", self.text))
    }
}
