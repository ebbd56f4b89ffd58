//! Tracers that the agent is measured beside: those that are installed, or that Debian has.

use std::{collections::BTreeSet, env, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{apt::Apt, cache::Cache, command, libraries};

/// A tracer: its name and its program's, its package, and where in that it is.
struct Peer {
    name: &'static str,
    package: &'static str,
    place: &'static str,
}

/// `ngraph-bench` knows them by these names. They need no kprobes.
const PEERS: [Peer; 4] = [
    Peer { name: "tcplife", package: "libbpf-tools", place: "usr/sbin/tcplife" },
    Peer { name: "tcpstates", package: "libbpf-tools", place: "usr/sbin/tcpstates" },
    Peer { name: "bpftrace", package: "bpftrace", place: "usr/bin/bpftrace" },
    Peer { name: "ss", package: "iproute2", place: "bin/ss" },
];

/// The words that tell `ngraph-bench` of the peers that can be had; the others are told.
pub(crate) fn words() -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut folders = BTreeSet::new();
    let cache = Cache::open()?;
    let apt = Apt::open(&cache);
    for peer in &PEERS {
        match bring(peer, apt.as_ref(), &mut folders) {
            Ok(program) => {
                words.extend(["--peer".to_owned(), format!("{}={}", peer.name, program.display())]);
            }
            Err(err) => println!("without {}: {err:#}", peer.name),
        }
    }
    if !folders.is_empty() {
        let folders = env::join_paths(folders).context("list the folders of libraries")?;
        words.extend(["--libraries".to_owned(), folders.display().to_string()]);
    }
    Ok(words)
}

/// A peer's program; into `folders` go those of the libraries that it needs and aren't here.
fn bring(
    peer: &Peer,
    apt: Result<&Apt, &anyhow::Error>,
    folders: &mut BTreeSet<PathBuf>,
) -> Result<PathBuf> {
    if let Some(installed) = command::find(peer.name) {
        return Ok(installed);
    }
    let apt = apt.map_err(|err| anyhow::anyhow!("it isn't installed, and {err:#}"))?;
    let program = apt.own(peer.package)?.join(peer.place);
    let linked = command::text(Command::new("ldd").arg(&program))?;
    if linked.contains("not found") {
        // One that the release doesn't have under this name is missed when the peer starts.
        let needed = libraries::of(apt, &[peer.package]);
        let found = needed.into_iter().flat_map(|name| apt.own(&name));
        folders.extend(found.flat_map(|folder| libraries::folders(&folder)));
    }
    Ok(program)
}
