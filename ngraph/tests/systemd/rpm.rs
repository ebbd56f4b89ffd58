//! The package of RPM: `cargo xtask rpm` makes it and runs this.

use std::process::Command;

use crate::{machine::Machine, package, said};

/// On this machine's files, whose packages an RPM database of the test's own doesn't know.
const RPM: [&str; 4] = ["rpm", "--dbpath=/tmp/rpm", "--nodeps", "--force-debian"];

fn rpm(machine: &Machine, words: &[&str]) -> String {
    machine.run(&[&RPM[..], words].concat())
}

#[test]
fn the_package_is_installed_renewed_runs_and_is_removed_without_a_trace() {
    package::on_a_machine("rpm", "rpm", |machine| {
        rpm(machine, &["--install", "/tmp/package"]);
        package::runs(machine);
        let first = machine.property("MainPID");

        rpm(machine, &["--upgrade", "--force", "/tmp/package"]);
        package::runs(machine);
        assert_ne!(machine.property("MainPID"), first, "the new one runs");

        rpm(machine, &["--erase", "ngraph"]);
        package::is_gone(machine);
    });
}

#[test]
fn the_package_has_all_files_and_asks_for_systemd_and_a_shell_alone() {
    let Some(package) = package::made("rpm") else {
        return;
    };
    let query = |what: &str| said(Command::new("rpm").args(["-qp", what]).arg(&package));
    let files = query("--list");
    let files: Vec<&str> = files.lines().filter(|line| line.starts_with('/')).collect();
    for file in [
        "/usr/bin/ngraph",
        "/usr/lib/systemd/system/ngraph.service",
        "/usr/lib/sysusers.d/ngraph.conf",
        "/usr/lib/tmpfiles.d/ngraph.conf",
        "/usr/share/bash-completion/completions/ngraph",
        "/usr/share/doc/ngraph/README.md",
        "/usr/share/doc/ngraph/examples/node_exporter.conf",
        "/usr/share/doc/ngraph/examples/prometheus/alerts.rules.yml",
        "/usr/share/fish/vendor_completions.d/ngraph.fish",
        "/usr/share/licenses/ngraph/LICENSE",
        "/usr/share/man/man8/ngraph.8",
        "/usr/share/zsh/site-functions/_ngraph",
    ] {
        assert!(files.contains(&file), "{file} is not in {files:#?}");
    }
    let needs = query("--requires");
    let needs = needs.lines().filter(|line| !line.starts_with("rpmlib("));
    let mut needs: Vec<&str> = needs.map(str::trim).filter(|line| !line.is_empty()).collect();
    needs.sort_unstable();
    needs.dedup();
    assert_eq!(needs, ["/bin/sh", "systemd"]);
}
