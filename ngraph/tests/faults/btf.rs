//! A kernel that doesn't tell where its fields are, or lies.

use std::fs;

use rustix::mount::{MountFlags, mount, mount_bind};
use tempfile::NamedTempFile;

use crate::{
    is_possible, lines,
    support::{agent::Agent, isolated, netns, traffic::short_connections},
};

const FOLDER: &str = "/sys/kernel/btf";

#[test]
fn without_btf_own_connections_are_all_counted_and_the_loss_is_told() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new_mounts();
        mount("tmpfs", FOLDER, "tmpfs", MountFlags::empty(), None).unwrap();
        let log = all_are_counted();
        let told = lines(&log, "the kernel has no BTF at /sys/kernel/btf/vmlinux");
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains("failures have no reason"), "{log}");
    });
}

#[test]
fn btf_that_is_none_is_told_and_done_without() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let junk = NamedTempFile::new().unwrap();
        // Of a kernel's size, so that the length gives nothing away.
        fs::write(junk.path(), vec![0xa5; 4 << 20]).unwrap();
        netns::enter_new_mounts();
        mount_bind(junk.path(), format!("{FOLDER}/vmlinux")).unwrap();
        let log = all_are_counted();
        let told = lines(&log, "can't use the kernel's BTF: look into /sys/kernel/btf/vmlinux");
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains("failures have no reason"), "{log}");
    });
}

/// Counts connections in a network namespace of its own; gives the log.
fn all_are_counted() -> String {
    netns::enter_new();
    let agent = Agent::start(&["--capture=tracepoint"]);
    short_connections("127.0.0.1:0", None, 50);
    short_connections("[::1]:0", None, 50);
    agent.expect("100 both ways", |metrics| {
        (metrics.opened("output"), metrics.opened("input")) == (100, 100)
    });
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    log
}
