//! What the kernel has, and what it lets this process do.

use std::{fs, path::Path};

use super::finding::Finding;
use crate::kernel::{
    offsets::{self, Offsets},
    probe,
};

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// The kernel's release, which decides nothing here.
pub(super) fn release() -> Finding {
    Finding::ok("kernel", probe::release())
}

/// Ring buffers, asked for by making one.
pub(super) fn ring_buffer() -> Finding {
    match probe::ring_buffer() {
        Ok(()) => Finding::ok("ring buffer", "the kernel makes one"),
        Err(err) => Finding::missing("ring buffer", format!("{err:#}"), ""),
    }
}

/// The offsets that the kernel's BTF tells.
pub(super) fn btf() -> (Finding, Option<Offsets>) {
    let path = offsets::VMLINUX;
    let remedy = "without it other namespaces are seen by snapshots alone, MPTCP connections \
                  count twice and failures have no reason; a kernel with CONFIG_DEBUG_INFO_BTF \
                  has it, below a mounted /sys";
    match Offsets::read(Path::new(path)) {
        Ok(Some(found)) => {
            let Offsets { net_inum, sk_protocol, sk_err, inet_sport, .. } = found;
            let text = format!(
                "{path}: net.ns.inum at {net_inum}, sock.sk_protocol at {sk_protocol}, \
                 sock.sk_err at {sk_err}, inet_sock.inet_sport at {inet_sport}"
            );
            (Finding::ok("BTF", text), Some(found))
        }
        Ok(None) => (Finding::missing("BTF", format!("no {path}"), remedy), None),
        Err(err) => (Finding::missing("BTF", format!("{err:#}"), remedy), None),
    }
}

/// Whether the kernel is locked down, where it tells.
pub(super) fn lockdown() -> Option<Finding> {
    fs::read_to_string(LOCKDOWN).ok().map(|text| locked_down(&text))
}

/// What tracing needs.
pub(super) fn capabilities() -> Finding {
    let missing = probe::missing_capabilities();
    if !missing.is_empty() {
        let remedy = "without them /proc snapshots alone: run as root, or grant them";
        return Finding::missing("capabilities", format!("no {}", missing.join(", no ")), remedy);
    }
    let text = if probe::is_admin() {
        "CAP_SYS_ADMIN, which is more than needed"
    } else {
        "CAP_BPF, CAP_PERFMON"
    };
    Finding::ok("capabilities", text)
}

/// The setting that forbids kprobes to who hasn't CAP_SYS_ADMIN, where it does.
pub(super) fn perf_event_paranoid() -> Option<Finding> {
    let value = probe::perf_event_paranoid().filter(|&value| value > 2)?;
    if probe::is_admin() || probe::kprobes().is_err() {
        return None;
    }
    Some(Finding::missing(
        "paranoia",
        format!(
            "kernel.perf_event_paranoid is {value}, which forbids kprobes without CAP_SYS_ADMIN"
        ),
        "sysctl kernel.perf_event_paranoid=2, or do without kprobes",
    ))
}

fn locked_down(text: &str) -> Finding {
    let state = text.split(['[', ']']).nth(1).unwrap_or("unknown");
    if state == "confidentiality" {
        return Finding::missing(
            "lockdown",
            format!("{LOCKDOWN}: {state}, so that no hook may read the kernel's memory"),
            "boot with lockdown=integrity, or do with /proc snapshots",
        );
    }
    Finding::ok("lockdown", state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_confidentiality_takes_the_hooks_away() {
        for (text, state) in [
            ("[none] integrity confidentiality\n", "none"),
            ("none [integrity] confidentiality\n", "integrity"),
            ("", "unknown"),
        ] {
            assert_eq!(locked_down(text), Finding::ok("lockdown", state), "{text}");
        }
        let locked = locked_down("none integrity [confidentiality]\n");
        assert_ne!(locked, Finding::ok("lockdown", "confidentiality"));
    }
}
