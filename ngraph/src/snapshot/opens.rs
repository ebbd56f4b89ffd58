//! The kernel's own counts of connections opened in a namespace, through one of its
//! processes.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use procfs::process::Process;

use super::namespaces;
use crate::{
    audit::Opens,
    flow::{NetnsId, Role},
    graph::PerRole,
};

/// Reads `net/snmp` of the process that `root` shows as `process` (a process id, or `self`).
///
/// # Errors
/// Where it can't be read, or the process doesn't live in `netns`: it has ended, and another
/// may have its id.
pub fn read(root: &Path, process: &str, netns: NetnsId) -> Result<Opens> {
    let path = root.join(process);
    let context = || format!("read {}/net/snmp", path.display());
    let snmp =
        Process::new_with_root(path.clone()).and_then(|it| it.snmp()).with_context(context)?;
    // Afterwards: what was read is of the namespace that it lived in all the time.
    if namespaces::of_process(&path)? != netns {
        bail!("{}: the process isn't in namespace {} any more", context(), netns.0);
    }
    Ok(PerRole::from_fn(|role| match role {
        Role::Inbound => snmp.tcp_passive_opens,
        Role::Outbound => snmp.tcp_active_opens,
    }))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_counts_at_either_end() {
        let root = Path::new("/proc");
        let netns = namespaces::of_process(&root.join("self")).unwrap();
        let before = read(root, "self", netns).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let after = read(root, "self", netns).unwrap();
        for role in Role::ALL {
            assert!(after.of(role) > before.of(role), "{before:?}, {after:?}");
        }
    }

    #[test]
    fn a_process_of_another_namespace_or_none_is_an_error() {
        let root = Path::new("/proc");
        assert!(read(root, "self", NetnsId(1)).is_err());
        assert!(read(root, "0", NetnsId(1)).is_err());
    }
}
