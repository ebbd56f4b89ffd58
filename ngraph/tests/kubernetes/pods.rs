//! The DaemonSets' pods for real: they capture, are probed, killed, evicted and started anew.

use std::{
    fs::{self, File},
    net::Ipv4Addr,
    path::Path,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::CapabilitySet,
};
use serde_json::{Value, json};

use crate::{
    agent::container,
    podman::Podman,
    project,
    render::{kustomize, only, with_component},
    support::{
        exporter::Exporter, is_root, isolated, metrics::Metrics, netns, skip, tools::tool,
        traffic::short_connections, wait_for,
    },
};

const FILE: &str = "/run/ngraph/textfile/ngraph.prom";

const NAME: &str = "ngraph-ngraph";

/// What the running agent keeps for tracing, and for `--all`.
const TRACING: CapabilitySet =
    CapabilitySet::BPF.union(CapabilitySet::PERFMON).union(CapabilitySet::SYS_PTRACE);

/// What root keeps for its folder, which may become another user's.
const FOLDER: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER);

#[test]
fn the_privileged_pod_lives_as_on_a_node() {
    lives(deployed("base"), TRACING | FOLDER);
}

#[test]
fn the_least_pod_lives_as_on_a_node() {
    lives(deployed("overlays/least"), TRACING);
}

#[test]
fn with_pods_as_labels_it_finds_what_names_them() {
    isolated(|| {
        let Some((podman, manifests)) = on_a_node(with_component("overlays/least", "pod-labels"))
        else {
            return;
        };
        podman.play(only(&manifests, "DaemonSet"), &QUICKER);
        let doctor = json!(["/ngraph", "doctor", "--output=-"]);
        let told = wait_for("doctor", || Some(podman.exec(&doctor)));
        let told = String::from_utf8(told.stdout).unwrap();
        let line = told.lines().find(|line| line.contains("containers")).expect("a line");
        assert!(line.starts_with("ok ") && line.contains("/var/log/pods"), "{told}");
    });
}

/// Times for a test.
const QUICKER: [(&str, &str); 2] = [("NGRAPH_INTERVAL", "1"), ("NGRAPH_NO_RESOLVE", "1")];

fn deployed(overlay: &str) -> Option<Vec<Value>> {
    kustomize(&project("deploy/kubernetes").join(overlay))
}

/// What the manifests are played on; none, and the test says that it's skipped, without something
/// of it.
fn on_a_node(manifests: Option<Vec<Value>>) -> Option<(Podman, Vec<Value>)> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    let manifests = manifests?;
    Some((Podman::enter()?, manifests))
}

fn lives(manifests: Option<Vec<Value>>, kept: CapabilitySet) {
    let Some(node_exporter) = tool("NGRAPH_NODE_EXPORTER") else {
        return;
    };
    isolated(|| {
        let Some((podman, manifests)) = on_a_node(manifests) else {
            return;
        };
        let daemon_set = only(&manifests, "DaemonSet");
        podman.play(daemon_set, &QUICKER);
        let probes = Probes { podman: &podman, container: container(daemon_set) };
        probes.wait_until_they_pass();
        let log = podman.said(&["logs", NAME]);
        let doctor = json!(["/ngraph", "doctor", "--output=-"]);
        assert!(podman.exec(&doctor).status.success(), "{log}");
        let hook = "raw_tracepoint:inet_sock_set_state";
        assert!(metrics().is_some_and(|metrics| metrics.has_hook(hook)), "{log}");
        // Beside them NET_ADMIN, where this kernel tracks connections.
        let has = capabilities(podman.process(NAME)).difference(CapabilitySet::NET_ADMIN);
        assert_eq!(has, kept, "{log}");

        connections_of_the_host_and_of_another_pod_are_captured(&podman);
        node_exporter_serves_the_file_as_another_user(&node_exporter);
        probes_tell_one_that_hangs(&podman, &probes);
        once_killed_its_file_is_stale_until_it_is_started_anew(&podman, &probes);
        evicted_it_takes_its_file_with_it(&podman, &probes);
    });
}

fn connections_of_the_host_and_of_another_pod_are_captured(podman: &Podman) {
    let host = netns::current();
    let [here, there] = ["127.81.0.1", "127.81.0.2"];
    short_connections(&format!("{here}:0"), None, 20);
    let pod = podman.another_pod();
    netns::enter(&File::open(format!("/proc/{pod}/ns/net")).unwrap());
    short_connections(&format!("{there}:0"), None, 10);
    netns::enter(&host);
    for (ip, count) in [(here, 20), (there, 10)] {
        wait_for("both ends of each connection", || {
            let metrics = metrics()?;
            let opened = |direction: &str| {
                let edge = [("direction", direction), ("dest_ip", ip)];
                metrics.sum("ngraph_connections_opened_total", &edge)
            };
            (opened("input") == count && opened("output") == count).then_some(())
        });
    }
}

fn node_exporter_serves_the_file_as_another_user(program: &Path) {
    let folder = Path::new(FILE).parent().unwrap();
    let exporter = Exporter::start(program, folder, Ipv4Addr::LOCALHOST);
    let served = exporter.scrape();
    assert_eq!(served.sum("node_textfile_scrape_error", &[]), 0);
    assert_eq!(served.with("ngraph_build_info", &[]).count(), 1);
    let edge = [("direction", "input"), ("dest_ip", "127.81.0.2")];
    assert_eq!(served.sum("ngraph_connections_opened_total", &edge), 10);
}

fn probes_tell_one_that_hangs(podman: &Podman, probes: &Probes<'_>) {
    let agent = podman.process(NAME);
    signal(agent, Signal::STOP);
    wait_for("the liveness probe to fail", || (!probes.pass("livenessProbe")).then_some(()));
    signal(agent, Signal::CONT);
    probes.wait_until_they_pass();
}

fn once_killed_its_file_is_stale_until_it_is_started_anew(podman: &Podman, probes: &Probes<'_>) {
    signal(podman.process(NAME), Signal::KILL);
    podman.said(&["wait", NAME]);
    let left = written().expect("the last file stays");
    // As the node's agent does.
    podman.said(&["start", NAME]);
    probes.wait_until_they_pass();
    assert!(written().expect("a file") > left);
}

fn evicted_it_takes_its_file_with_it(podman: &Podman, probes: &Probes<'_>) {
    // The template's grace.
    podman.said(&["stop", "--time=10", NAME]);
    let code = podman.said(&["inspect", "--format", "{{.State.ExitCode}}", NAME]);
    assert_eq!(code, "0");
    assert_eq!(written(), None);
    podman.said(&["start", NAME]);
    probes.wait_until_they_pass();
}

/// The probes of a container, run as they are written.
struct Probes<'a> {
    podman: &'a Podman,
    container: &'a Value,
}

impl Probes<'_> {
    fn pass(&self, probe: &str) -> bool {
        self.podman.exec(&self.container[probe]["exec"]["command"]).status.success()
    }

    fn wait_until_they_pass(&self) {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            wait_for(probe, || self.pass(probe).then_some(()));
        }
    }
}

fn metrics() -> Option<Metrics> {
    Some(Metrics::parse(&fs::read_to_string(FILE).ok()?))
}

/// When the file says that it was written, if there is one.
fn written() -> Option<f64> {
    let metrics = metrics()?;
    let mut stamps = metrics.with("ngraph_last_write_timestamp_seconds", &[]);
    Some(stamps.next().expect("a time").value)
}

fn capabilities(process: u32) -> CapabilitySet {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    let bits = u64::from_str_radix(line.expect("CapPrm").trim(), 16).unwrap();
    CapabilitySet::from_bits_retain(bits)
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process as i32).unwrap(), signal).unwrap();
}
