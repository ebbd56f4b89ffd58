//! File systems of the kernel's that the agent reads, as they are mounted here.

use std::path::Path;

use procfs::process::{MountInfo, Process};

use super::finding::Finding;
use crate::config::Config;

const NAME: &str = "mounts";

/// What is mounted where, and what is missing by it.
pub(super) fn look(config: &Config) -> Finding {
    let process = Process::new_with_root(config.procfs.join("self"));
    match process.and_then(|process| process.mountinfo()) {
        Ok(mounts) => judge(mounts.0.iter(), &config.procfs),
        Err(err) => Finding::missing(NAME, format!("{err}"), "name the /proc to read by --procfs"),
    }
}

fn judge<'a>(mounts: impl Iterator<Item = &'a MountInfo> + Clone, procfs: &Path) -> Finding {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for (kind, place, what_for) in [
        ("proc", Some(procfs), "connections"),
        ("sysfs", Some(Path::new("/sys")), "BTF"),
        ("cgroup2", None, "containers, and cgroup:sock_ops"),
    ] {
        // What is mounted last covers what was there.
        let is_it = |mount: &&MountInfo| {
            mount.fs_type == kind && place.is_none_or(|place| mount.mount_point == place)
        };
        match mounts.clone().filter(is_it).last() {
            Some(mount) => found.push(shown(mount)),
            None => missing.push(format!("no {kind}{} ({what_for})", at(place))),
        }
    }
    if missing.is_empty() {
        return Finding::ok(NAME, found.join(", "));
    }
    let text = missing.into_iter().chain(found).collect::<Vec<_>>().join(", ");
    Finding::missing(NAME, text, "mount it; in a container, mount the host's there")
}

fn at(place: Option<&Path>) -> String {
    place.map(|place| format!(" at {}", place.display())).unwrap_or_default()
}

/// Its kind and place, and whether it hides processes.
fn shown(mount: &MountInfo) -> String {
    let options = &mount.super_options;
    let hidepid = match options.get("hidepid").and_then(Option::as_ref) {
        Some(hides) => format!(" (hidepid={hides})"),
        None => String::new(),
    };
    format!("{} at {}{hidepid}", mount.fs_type, mount.mount_point.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[&str]) -> Finding {
        let mounts: Vec<MountInfo> =
            lines.iter().map(|line| MountInfo::from_line(line).unwrap()).collect();
        judge(mounts.iter(), Path::new("/proc"))
    }

    const PROC: &str = "20 1 0:20 / /proc rw,nosuid - proc proc rw,hidepid=invisible";
    const SYS: &str = "21 1 0:21 / /sys rw - sysfs sysfs rw";
    const GROUPS: &str = "22 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";

    #[test]
    fn what_is_mounted_is_shown_with_its_place() {
        let text = "proc at /proc (hidepid=invisible), sysfs at /sys, cgroup2 at /sys/fs/cgroup";
        assert_eq!(judged(&[PROC, SYS, GROUPS]), Finding::ok(NAME, text));
    }

    #[test]
    fn what_is_not_mounted_is_named_with_what_it_is_for() {
        let text = "no sysfs at /sys (BTF), no cgroup2 (containers, and cgroup:sock_ops), \
                    proc at /proc (hidepid=invisible)";
        let remedy = "mount it; in a container, mount the host's there";
        let elsewhere = SYS.replace(" /sys ", " /mnt ");
        assert_eq!(judged(&[PROC, &elsewhere]), Finding::missing(NAME, text, remedy));
    }
}
