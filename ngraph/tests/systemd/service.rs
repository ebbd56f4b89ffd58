//! The unit under a real systemd: installed, started, watched, stopped.

use std::{fs, net::Ipv4Addr, os::unix::fs::MetadataExt as _};

use rustix::thread::CapabilitySet;

use crate::{
    deploy, has,
    machine::Machine,
    support::{
        http, is_root, isolated, metrics::Metrics, netns, skip, skip_earned, tools::tool,
        traffic::short_connections, wait_for,
    },
};

const FILE: &str = "/run/ngraph/textfile/ngraph.prom";

const DROPINS: &str = "/etc/systemd/system/ngraph.service.d";

/// Shorter times than the unit's, for the test's sake, and a log that can be read.
const QUICKER: &str = "[Service]\nWatchdogSec=3s\nRestartSec=100ms\nEnvironment=NGRAPH_INTERVAL=1\n\
    Environment=NGRAPH_NO_RESOLVE=1\nStandardError=append:/run/ngraph.log\n";

#[test]
fn the_unit_is_installed_captures_is_watched_and_removed_as_the_page_says() {
    if !is_root() {
        return skip("needs root");
    }
    if !has("systemctl") || !has("systemd-analyze") || !has("nsenter") {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let Some(machine) = Machine::boot() else {
            return;
        };
        let page = fs::read_to_string(deploy().join("../../docs/systemd.md")).unwrap();
        machine.follow(&page, "# A service of systemd");
        // The page's last command starts it.
        ready_means_that_a_file_is_there(&machine);
        quicker(&machine);
        nothing_is_held_but_what_tracing_takes(&machine);
        every_connection_is_captured(&machine);
        options_are_read_again_on_reload(&machine);
        it_serves_the_file_itself(&machine);
        node_exporter_serves_it(&machine);
        one_that_hangs_is_started_anew(&machine);
        with_all_it_sees_other_namespaces(&machine);
        machine.run(&["systemctl", "stop", "ngraph"]);
        assert_eq!(machine.property("Result"), "success");
        assert!(!machine.path(FILE).exists());
        fs::remove_dir_all(machine.path(DROPINS)).unwrap();
        assert_eq!(machine.written("/usr/bin/ngraph").len(), 1);
        machine.follow(&page, "## Removing it");
        let left = machine.written("ngraph");
        // The page's own source, which it was installed from.
        let left: Vec<_> = left.iter().filter(|path| !path.contains("/project/")).collect();
        assert!(left.is_empty() && !machine.path("/run/ngraph").exists(), "{left:?}");
        let units = machine.run(&["find", "/etc/systemd/system", "-name", "*ngraph*"]);
        assert_eq!(units, "");
        assert!(!fs::read_to_string(machine.path("/etc/passwd")).unwrap().contains("ngraph"));
    });
}

fn ready_means_that_a_file_is_there(machine: &Machine) {
    let file = fs::metadata(machine.path(FILE)).unwrap();
    assert_eq!((file.mode() & 0o777, file.uid() == 0), (0o644, false));
    assert!(machine.property("StatusText").starts_with("open: "), "{}", log(machine));
}

/// Debian's, by its own unit with our drop-in.
fn node_exporter_serves_it(machine: &Machine) {
    let Some(program) = tool("NGRAPH_NODE_EXPORTER") else {
        return;
    };
    let package = program.ancestors().nth(3).unwrap();
    let unit = package.join("lib/systemd/system/prometheus-node-exporter.service");
    if !unit.exists() {
        return skip_earned(&format!("{} is not of Debian's package", program.display()));
    }
    let dropins = "/etc/systemd/system/prometheus-node-exporter.service.d";
    fs::create_dir(machine.path(dropins)).unwrap();
    let dropin = machine.path(dropins).join("ngraph.conf");
    fs::copy(deploy().join("node_exporter.conf"), dropin).unwrap();
    fs::copy(unit, machine.path(dropins).with_extension("")).unwrap();
    fs::copy(program, machine.path("/usr/bin/prometheus-node-exporter")).unwrap();
    let args = "ARGS=--collector.disable-defaults --collector.textfile";
    fs::write(machine.path("/etc/default/prometheus-node-exporter"), args).unwrap();
    machine.run(&["useradd", "--system", "prometheus"]);
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "prometheus-node-exporter"]);
    // Nobody else is in the test's namespace.
    let address = (Ipv4Addr::LOCALHOST, 9100).into();
    let served = wait_for("an answer", || http::get(address, "/metrics").ok());
    let served = Metrics::parse(&served);
    assert_eq!(served.sum("node_textfile_scrape_error", &[]), 0);
    assert_eq!(served.with("ngraph_build_info", &[]).count(), 1);
    machine.run(&["systemctl", "stop", "prometheus-node-exporter"]);
    fs::remove_dir_all(machine.path(dropins)).unwrap();
}

fn quicker(machine: &Machine) {
    fs::create_dir(machine.path(DROPINS)).unwrap();
    fs::write(machine.path(DROPINS).join("quicker.conf"), QUICKER).unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
}

fn nothing_is_held_but_what_tracing_takes(machine: &Machine) {
    let process = machine.property("MainPID");
    let status = machine.run(&["cat", &format!("/proc/{process}/status")]);
    let tracing = (CapabilitySet::BPF | CapabilitySet::PERFMON).bits();
    let expected = [
        format!("CapPrm:\t{tracing:016x}"),
        format!("CapEff:\t{tracing:016x}"),
        "NoNewPrivs:\t1".to_owned(),
        "Seccomp:\t2".to_owned(),
    ];
    for line in expected {
        assert!(status.lines().any(|of| of == line), "{line}, but:\n{status}");
    }
}

fn every_connection_is_captured(machine: &Machine) {
    short_connections("127.0.0.1:0", None, 30);
    wait_for("30 both ways", || {
        let metrics = machine.metrics()?;
        (metrics.opened("output") == 30 && metrics.opened("input") == 30).then_some(())
    });
    let metrics = machine.metrics().unwrap();
    assert!(metrics.has_hook("raw_tracepoint:inet_sock_set_state"), "{}", log(machine));
}

fn options_are_read_again_on_reload(machine: &Machine) {
    let (file, dropin) =
        (machine.path("/etc/ngraph.toml"), machine.path(DROPINS).join("file.conf"));
    fs::write(&dropin, "[Service]\nEnvironment=NGRAPH_CONFIG=/etc/ngraph.toml\n").unwrap();
    fs::write(&file, "max-edges = 500\n").unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
    let budget = |edges: u64| {
        let metrics = machine.metrics()?;
        (metrics.sum("ngraph_capacity", &[("of", "edges")]) == edges).then_some(())
    };
    wait_for("what the file has", || budget(500));
    let process = machine.property("MainPID");
    fs::write(&file, "max-edges = 600\n").unwrap();
    machine.run(&["systemctl", "reload", "ngraph"]);
    wait_for("what the file has since", || budget(600));
    assert_eq!(machine.property("MainPID"), process, "{}", log(machine));
    wait_for("the end of the reload", || {
        (machine.property("ActiveState") == "active").then_some(())
    });
    fs::remove_file(file).unwrap();
    fs::remove_file(dropin).unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
}

fn it_serves_the_file_itself(machine: &Machine) {
    let dropin = machine.path(DROPINS).join("listen.conf");
    fs::write(&dropin, "[Service]\nEnvironment=NGRAPH_LISTEN=:9930\n").unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
    // Nobody else is in the test's namespace.
    let address = (Ipv4Addr::LOCALHOST, 9930).into();
    let served = wait_for("the file", || http::get(address, "/metrics").ok());
    assert_eq!(Metrics::parse(&served).with("ngraph_build_info", &[]).count(), 1);
    assert_eq!(http::get(address, "/healthz").unwrap(), "ok\n");
    fs::remove_file(dropin).unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
}

fn one_that_hangs_is_started_anew(machine: &Machine) {
    let process = machine.property("MainPID");
    machine.run(&["kill", "-STOP", &process]);
    wait_for("another process", || {
        let other = machine.property("MainPID");
        (machine.property("ActiveState") == "active" && other != process).then_some(())
    });
    assert_eq!(machine.property("NRestarts"), "1", "{}", log(machine));
    assert!(machine.metrics().is_some());
}

fn with_all_it_sees_other_namespaces(machine: &Machine) {
    let dropin = machine.path(DROPINS).join("all.conf");
    fs::copy(deploy().join("all.conf"), dropin).unwrap();
    machine.run(&["systemctl", "daemon-reload"]);
    // A service of its own user and namespace, which others can't look into.
    let unit = "[Service]\nUser=nobody\nPrivateNetwork=yes\nExecStart=sleep 1000\n";
    fs::write(machine.path("/etc/systemd/system/other.service"), unit).unwrap();
    machine.run(&["systemctl", "start", "other"]);
    machine.run(&["systemctl", "restart", "ngraph"]);
    wait_for("counts of two namespaces", || {
        let metrics = machine.metrics()?;
        let name = "ngraph_kernel_opens_total";
        (metrics.with(name, &[("direction", "input")]).count() == 2).then_some(())
    });
    assert!(!log(machine).contains("WARN"), "{}", log(machine));
}

fn log(machine: &Machine) -> String {
    fs::read_to_string(machine.path("/run/ngraph.log")).unwrap_or_default()
}
