//! What the proc file system shows.

use std::path::Path;

use super::finding::Finding;
use crate::{
    clock,
    config::{Config, Scope},
    kernel::probe,
    snapshot::{namespaces, procfs},
};

/// A snapshot as the agent takes one, and how many namespaces the processes live in.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    vec![sockets(config), namespaces(&config.procfs, config.scope)]
}

/// Without its first snapshot the agent ends.
fn sockets(config: &Config) -> Finding {
    let root = config.procfs.display();
    match procfs::take(&config.procfs, config.scope, clock::since_boot) {
        Ok(snapshot) => {
            let text =
                format!("{root}: connections and attempts at this moment: {}", snapshot.rows.len());
            Finding::ok("snapshots", text)
        }
        Err(err) => {
            let remedy =
                "mount the proc file system of this pid namespace, and name it by --procfs";
            Finding::missing("snapshots", format!("{err:#}"), remedy).needed()
        }
    }
}

fn namespaces(root: &Path, scope: Scope) -> Finding {
    const NAME: &str = "namespaces";
    let mut problems = Vec::new();
    let seen = match namespaces::all(root, &mut problems) {
        Ok(witnesses) => witnesses.len(),
        Err(err) => return Finding::missing(NAME, format!("{err:#}"), ""),
    };
    let taken = match scope {
        Scope::All => "all taken, by --all",
        Scope::Own => "the agent's own taken; --all takes all",
    };
    let text = format!("{}: network namespaces: {seen}, {taken}", root.display());
    if problems.is_empty() {
        return Finding::ok(NAME, text);
    }
    let remedy = if probe::can_see_namespaces() {
        "CAP_SYS_PTRACE is there: a security module or a user namespace hides them"
    } else {
        "run as root, or grant CAP_SYS_PTRACE"
    };
    Finding::missing(NAME, format!("{text}; {}", problems.join("; ")), remedy)
}
