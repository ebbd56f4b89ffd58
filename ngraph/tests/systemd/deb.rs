//! The package: `cargo xtask deb` makes it and runs this.

use std::{env, fs};

use crate::{
    has,
    machine::Machine,
    support::{is_root, isolated, netns, skip, skip_earned},
};

#[test]
fn the_package_is_installed_runs_and_is_purged_without_a_trace() {
    let Some(package) = env::var_os("NGRAPH_DEB") else {
        return skip_earned("NGRAPH_DEB names no package (cargo xtask deb makes and tests it)");
    };
    if !is_root() {
        return skip("needs root");
    }
    if !has("dpkg") || !has("systemctl") || !has("nsenter") {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let Some(machine) = Machine::boot() else {
            return;
        };
        fs::copy(package, machine.path("/tmp/package.deb")).unwrap();
        // Containers have one that lets packages start nothing.
        machine.run(&["rm", "-f", "/usr/sbin/policy-rc.d"]);
        machine.run(&["dpkg", "--install", "/tmp/package.deb"]);
        assert_eq!(machine.property("ActiveState"), "active");
        assert_eq!(machine.property("UnitFileState"), "enabled");
        let metrics = machine.metrics().expect("a file");
        assert!(metrics.has_hook("raw_tracepoint:inet_sock_set_state"));
        assert!(machine.path("/usr/share/man/man8/ngraph.8.gz").exists());

        machine.run(&["dpkg", "--remove", "ngraph"]);
        assert!(!machine.path("/run/ngraph").exists());
        machine.run(&["dpkg", "--purge", "ngraph"]);
        let left = machine.written("ngraph");
        let left: Vec<_> = left.iter().filter(|path| !path.contains("/project/")).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!fs::read_to_string(machine.path("/etc/passwd")).unwrap().contains("ngraph"));
    });
}
