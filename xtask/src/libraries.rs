//! Libraries that a program of a package needs, where the program is unpacked and not installed.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
};

use crate::apt::Apt;

/// The packages of libraries that `packages` depend on, and those that they depend on.
pub(crate) fn of(apt: &Apt, packages: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next: Vec<String> = packages.iter().map(|&package| package.to_owned()).collect();
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
pub(crate) fn folders(package: &Path) -> Vec<PathBuf> {
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
        assert!(folders(package.path()).is_empty());
        std::fs::create_dir_all(package.path().join("usr/lib")).unwrap();
        assert_eq!(folders(package.path()), [package.path().join("usr/lib")]);
    }
}
