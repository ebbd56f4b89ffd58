//! podman, what it runs containers with, and others that take images, for tests: unpacked into
//! the cache, not installed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{apt::Apt, cache::Cache, libraries};

/// What starts a container, from the one that is asked to the one that is alone in a pod; what
/// takes an image, on a node and from there to a registry; a shell for one that is built.
const PROGRAMS: [&str; 8] = [
    "podman",
    "conmon",
    "runc",
    "catatonit",
    "containerd",
    "skopeo",
    "docker-registry",
    "busybox-static",
];

/// Brings all of it into one folder, laid out as the system's root is, and gives back where that
/// is. The libraries are the release's own: those that are installed already are the same.
pub(crate) fn bring(cache: &Cache, apt: &Apt) -> Result<PathBuf> {
    let version = apt.own_version(PROGRAMS[0])?;
    let key = format!("containers/{}_and_{}", version.file_name(), PROGRAMS[1..].join("+"));
    cache.folder(&key, |folder| {
        let mut packages = libraries::of(apt, &PROGRAMS);
        packages.extend(PROGRAMS.map(str::to_owned));
        for package in packages {
            match apt.own_version(&package) {
                Ok(version) => apt.unpack(&version, folder)?,
                Err(err) if PROGRAMS.contains(&package.as_str()) => return Err(err),
                // A library that the release has under another name is missed when podman starts.
                Err(_) => {}
            }
        }
        // With this the profile of syscalls that runtimes of today have; the release's may be older
        // than CAP_BPF.
        let profile = "golang-github-containers-common";
        let newest = apt.versions(profile)?.into_iter().next();
        apt.unpack(&newest.with_context(|| apt.not_found(profile))?, folder)
    })
}
