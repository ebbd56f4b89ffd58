//! Tracers that the agent is measured beside: those that are installed, or that Debian has.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{apt::Apt, cache::Cache, command};

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
        let found = libraries(apt, peer.package).into_iter().flat_map(|name| apt.own(&name));
        folders.extend(found.flat_map(|folder| library_folders(&folder)));
    }
    Ok(program)
}

/// The packages of libraries that `package` depends on, and those that they depend on.
fn libraries(apt: &Apt, package: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![package.to_owned()];
    while let Some(package) = next.pop() {
        for depend in apt.own_depends(&package).unwrap_or_default() {
            if is_library(&depend) && found.insert(depend.clone()) {
                next.push(depend);
            }
        }
    }
    found
}

/// Not the C library: a program starts with the one that its loader belongs to.
fn is_library(package: &str) -> bool {
    (package.starts_with("lib") && package != "libc6") || package == "zlib1g"
}

/// Where a package's libraries are: `lib` or `usr/lib`, there or below the machine's kind.
fn library_folders(package: &Path) -> Vec<PathBuf> {
    let kind = format!("{}-linux-gnu", env::consts::ARCH);
    ["lib", "usr/lib"]
        .iter()
        .flat_map(|lib| [package.join(lib).join(&kind), package.join(lib)])
        .filter(|folder| folder.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_packages_of_libraries_but_not_the_c_library() {
        let wanted = ["libelf1", "zlib1g", "libllvm14"];
        assert!(wanted.into_iter().all(is_library));
        let others = ["libc6", "debconf", "bpftrace"];
        assert!(!others.into_iter().any(is_library));
    }

    #[test]
    fn only_folders_that_are_there_are_searched_for_libraries() {
        let package = tempfile::tempdir().unwrap();
        assert!(library_folders(package.path()).is_empty());
        std::fs::create_dir_all(package.path().join("usr/lib")).unwrap();
        assert_eq!(library_folders(package.path()), [package.path().join("usr/lib")]);
    }
}
