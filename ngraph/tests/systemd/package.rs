//! What a package does to a machine, whatever tool installs it.

use std::{env, fs, path::PathBuf};

use crate::{
    has,
    machine::Machine,
    support::{is_root, isolated, netns, skip, skip_earned},
};

/// The package that `xtask KIND` has made; none where it hasn't, which is said.
pub fn made(kind: &str) -> Option<PathBuf> {
    let package = env::var_os(format!("NGRAPH_{}", kind.to_uppercase()));
    if package.is_none() {
        skip_earned(&format!("no package is named (cargo xtask {kind} makes and tests it)"));
    }
    package.map(PathBuf::from)
}

/// Hands over a machine on which `/tmp/package` is the one that `xtask KIND` has made.
pub fn on_a_machine(kind: &str, tool: &str, test: impl FnOnce(&Machine) + Send) {
    let Some(package) = made(kind) else {
        return;
    };
    if !is_root() {
        return skip("needs root");
    }
    if ![tool, "systemctl", "nsenter"].into_iter().all(has) {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let Some(machine) = Machine::boot() else {
            return;
        };
        fs::copy(package, machine.path("/tmp/package")).unwrap();
        test(&machine);
    });
}

/// The agent was started, will be at the next boot, and captures.
pub fn runs(machine: &Machine) {
    assert_eq!(machine.property("ActiveState"), "active");
    assert_eq!(machine.property("UnitFileState"), "enabled");
    let metrics = machine.metrics().expect("a file");
    assert!(metrics.has_hook("raw_tracepoint:inet_sock_set_state"));
}

/// Nothing of the agent is left.
pub fn is_gone(machine: &Machine) {
    assert!(!machine.path("/run/ngraph").exists());
    let left = machine.written("ngraph");
    let left: Vec<_> = left.iter().filter(|path| !path.contains("/project/")).collect();
    assert!(left.is_empty(), "{left:?}");
    for names in ["/etc/passwd", "/etc/group"] {
        assert!(!fs::read_to_string(machine.path(names)).unwrap().contains("ngraph"), "{names}");
    }
}
