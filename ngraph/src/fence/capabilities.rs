//! Which capabilities the running agent keeps. All others go, from every set.

use rustix::{
    io::Errno,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities,
    },
};

use crate::{
    config::{Capture, Config, Output, Scope},
    nat,
};

/// To load programs, to attach them, and on many kernels to read a map.
const TRACING: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);

/// To write a folder that is another user's, as node_exporter's is, sticky or not, and one
/// that becomes another's while the agent runs. It gives root nothing that root's own files
/// don't give; what bounds root is Landlock.
const FOLDER: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER);

/// Keeps what `config` needs, as far as this thread has it, and gives that.
pub(super) fn keep(config: &Config, lacks: &mut Vec<String>) -> CapabilitySet {
    let held = match capabilities(None) {
        Ok(sets) => sets.permitted,
        Err(err) => {
            lacks.push(format!("ask for the capabilities: {err}"));
            return CapabilitySet::empty();
        }
    };
    // Before CAP_SETPCAP goes, without which it can't be emptied, and need not be: with
    // no_new_privs nothing that is executed gets more than this thread has.
    if held.contains(CapabilitySet::SETPCAP)
        && let Err(err) = empty_bounding_set()
    {
        lacks.push(format!("empty the bounding set: {err}"));
    }
    if let Err(err) = clear_ambient_capability_set() {
        lacks.push(format!("empty the ambient set: {err}"));
    }
    let kept = needed(config, nat::is_useful(config), held);
    let inheritable = CapabilitySet::empty();
    match set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable }) {
        Ok(()) => kept,
        Err(err) => {
            lacks.push(format!("drop capabilities: {err}"));
            held
        }
    }
}

/// What `config` needs of what is `held`, with lookups of who answers or without.
fn needed(config: &Config, translates: bool, held: CapabilitySet) -> CapabilitySet {
    let mut needed = CapabilitySet::empty();
    if config.capture != Capture::Procfs {
        needed |= TRACING;
        // It stands in for both. Where kprobes took it beside them it goes nevertheless: they
        // stay attached.
        if !held.contains(TRACING) {
            needed |= CapabilitySet::SYS_ADMIN;
        }
    }
    if config.scope == Scope::All {
        // Other users' /proc/PID/ns. Their /proc/PID/net everybody may read.
        needed |= CapabilitySet::SYS_PTRACE;
    }
    if translates {
        // Each question to the table of tracked connections takes it anew.
        needed |= CapabilitySet::NET_ADMIN;
    }
    if matches!(config.output, Output::Folder(_)) {
        needed |= FOLDER;
    }
    needed & held
}

/// Empties the set that bounds what a program executed later may have.
fn empty_bounding_set() -> Result<(), Errno> {
    for bit in 0..u64::BITS {
        // Retained, since the kernel may know more of them than the library.
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // Beyond the last that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(err) => return Err(err),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn kept(args: &str, held: CapabilitySet) -> CapabilitySet {
        kept_and(false, args, held)
    }

    fn kept_and(translates: bool, args: &str, held: CapabilitySet) -> CapabilitySet {
        let words = ["ngraph"].into_iter().chain(args.split_whitespace());
        let cli = Cli::try_parse_from(words).unwrap();
        needed(&Config::try_from(&cli).unwrap(), translates, held)
    }

    #[test]
    fn root_keeps_tracing_the_folder_and_with_all_other_users_processes() {
        let root = CapabilitySet::all();
        assert_eq!(kept("", root), TRACING | FOLDER);
        assert_eq!(kept("--all", root), TRACING | FOLDER | CapabilitySet::SYS_PTRACE);
        assert_eq!(kept("--output -", root), TRACING);
        assert_eq!(kept_and(true, "--output -", root), TRACING | CapabilitySet::NET_ADMIN);
        assert_eq!(kept("--capture procfs", root), FOLDER);
        assert_eq!(kept("--capture procfs --output -", root), CapabilitySet::empty());
    }

    #[test]
    fn admin_stays_only_where_it_stands_in_for_tracing() {
        let admin = CapabilitySet::SYS_ADMIN;
        assert_eq!(kept("", TRACING | admin), TRACING);
        assert_eq!(kept("", admin), admin);
        assert_eq!(kept("", CapabilitySet::BPF | admin), CapabilitySet::BPF | admin);
        assert_eq!(kept("--capture procfs", admin), CapabilitySet::empty());
    }

    #[test]
    fn nothing_is_kept_that_was_not_there() {
        assert_eq!(kept("--all", CapabilitySet::empty()), CapabilitySet::empty());
        assert_eq!(kept("--all", TRACING), TRACING);
    }
}
