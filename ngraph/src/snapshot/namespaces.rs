//! Which network namespaces there are, and a process of each through which to look.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use procfs::process::Process;

use crate::flow::NetnsId;

/// Processes to try in one namespace: one may end before its tables are read.
const WITNESSES: usize = 3;

/// Namespaces, each with processes that live in it, by their ids: holding the processes
/// themselves takes a descriptor each, of which there may be fewer than that.
pub type Witnesses = BTreeMap<NetnsId, Vec<i32>>;

/// The agent's own namespace, seen through itself.
///
/// # Errors
/// Where `root` shows no `self`: it isn't a proc file system, or one of another pid
/// namespace.
pub fn own(root: &Path) -> Result<Witnesses> {
    let path = root.join("self");
    let this = Process::new_with_root(path.clone()).with_context(|| {
        format!("find this process at {} (is it a proc file system?)", path.display())
    })?;
    Ok(BTreeMap::from([(of_process(&path)?, vec![this.pid()])]))
}

/// Every namespace that some process lives in.
///
/// # Errors
/// Where `root` can't be listed, or doesn't show the agent itself.
pub fn all(root: &Path, problems: &mut Vec<String>) -> Result<Witnesses> {
    let mut found = own(root)?;
    let context = || format!("list the processes of {}", root.display());
    let mut is_hidden = false;
    for entry in fs::read_dir(root).with_context(context)? {
        let name = entry.with_context(context)?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = root.join(name);
        match of_process(&path) {
            Ok(netns) => {
                let witnesses = found.entry(netns).or_default();
                if witnesses.len() < WITNESSES {
                    witnesses.push(process);
                }
            }
            // One that has ended meanwhile hides nothing, though it says so (`proc_ns_readlink`):
            // https://github.com/torvalds/linux/blob/v6.12/fs/proc/namespaces.c
            Err(err) => is_hidden = is_hidden || (is_denied(&err) && is_alive(path)),
        }
    }
    // Every pid namespace has a first process, which can only be out of sight.
    is_hidden |= !root.join("1").exists();
    if is_hidden {
        // Without their number, which changes all the time: a problem is told once.
        let root = root.display();
        problems.push(format!(
            "some processes in {root} are hidden from this one, and connections in their network \
             namespaces with them (needs CAP_SYS_PTRACE, and a /proc mounted without hidepid \
             where root is none)"
        ));
    }
    Ok(found)
}

fn is_alive(path: PathBuf) -> bool {
    Process::new_with_root(path).is_ok_and(|process| process.is_alive())
}

fn is_denied(err: &anyhow::Error) -> bool {
    let kind = err.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::PermissionDenied)
}

/// The namespace of the process at `path`, a `/proc/PID`.
///
/// # Errors
/// Where the process is gone, or its namespaces are hidden from this one.
pub fn of_process(path: &Path) -> Result<NetnsId> {
    let link = path.join("ns/net");
    let target = fs::read_link(&link).with_context(|| format!("read {}", link.display()))?;
    parse(&target.to_string_lossy()).with_context(|| {
        format!("read {}: `{}` names no namespace", link.display(), target.display())
    })
}

fn parse(target: &str) -> Option<NetnsId> {
    target.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok().map(NetnsId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_link_is_its_number_and_anything_else_is_none() {
        assert_eq!(parse("net:[4026531840]"), Some(NetnsId(4_026_531_840)));
        for bad in ["", "net:[]", "net:[x]", "mnt:[1]", "net:[99999999999]", "net:[1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn all_namespaces_hold_at_least_ones_own() {
        let root = Path::new("/proc");
        let own = own(root).unwrap();
        let all = all(root, &mut Vec::new()).unwrap();
        assert!(own.keys().all(|netns| all.contains_key(netns)));
    }

    #[test]
    fn a_folder_that_is_no_proc_file_system_is_a_clear_error() {
        let error = format!("{:#}", own(Path::new("/nonexistent")).unwrap_err());
        assert!(error.starts_with("find this process at /nonexistent/self"), "{error}");
    }
}
