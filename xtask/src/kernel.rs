//! Debian's cloud kernels: small, quick to boot in QEMU, and with BTF and kprobes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt::{Apt, Version},
    arch::Arch,
    cache::Cache,
    guest::Guest,
    modules,
};

/// A kernel in the cache.
pub(crate) struct Kernel {
    /// What `uname -r` says.
    pub(crate) release: String,
    pub(crate) vmlinuz: PathBuf,
    /// Modules, named in the order of loading.
    pub(crate) modules: PathBuf,
}

/// Brings the newest kernel that `guest` means: `6.12` is any 6.12, `7` any 7.
///
/// `apt` is of the guest's architecture, `busybox` of this machine's.
pub(crate) fn fetch(guest: &Guest, cache: &Cache, apt: &Apt, busybox: &Path) -> Result<Kernel> {
    let (release, image) = newest(&guest.kernel, guest.arch, apt)?;
    // What tests want more one day isn't in a folder of today.
    let with = modules::WANTED.join("+");
    let folder = cache.folder(&format!("kernels/{release}_{with}"), |folder| {
        let unpacked = folder.join("unpacked");
        for package in packages(&release, &image, apt)? {
            fs::create_dir_all(&unpacked)?;
            apt.unpack(&package, &unpacked)?;
        }
        let modules = folder.join("modules");
        fs::create_dir(&modules)?;
        modules::extract(&modules_tree(&unpacked, &release)?, busybox, &modules)?;
        fs::rename(vmlinuz(&unpacked, &release)?, folder.join("vmlinuz"))?;
        fs::remove_dir_all(&unpacked).context("remove what a guest doesn't need")
    })?;
    let (vmlinuz, modules) = (folder.join("vmlinuz"), folder.join("modules"));
    Ok(Kernel { release, vmlinuz, modules })
}

/// The release and the package of the newest kernel that can be had.
fn newest(wanted: &str, arch: Arch, apt: &Apt) -> Result<(String, Version)> {
    let suffix = suffix(arch);
    let mut releases: Vec<String> = apt
        .names(PREFIX)?
        .iter()
        .filter_map(|name| release(name, wanted, &suffix).map(str::to_owned))
        .collect();
    releases.sort_by_cached_key(|release| numbers(release));
    // Old kernels stay in the lists as names that other packages mention.
    for release in releases.into_iter().rev() {
        let package = format!("{PREFIX}{release}");
        if let Some(version) = apt.versions(&package)?.into_iter().next() {
            return Ok((release, version));
        }
    }
    bail!(apt.not_found(&format!("{PREFIX}{wanted}*{suffix}")))
}

const PREFIX: &str = "linux-image-";

/// How the releases of cloud kernels end.
fn suffix(arch: Arch) -> String {
    format!("-cloud-{}", arch.debian())
}

/// The release in the name of a cloud kernel's package, if it's one of `wanted`.
fn release<'a>(package: &'a str, wanted: &str, suffix: &str) -> Option<&'a str> {
    let release = package.strip_prefix(PREFIX)?;
    let rest = release.strip_suffix(suffix)?.strip_prefix(wanted)?;
    // 6.1 is not 6.12, and linux-image-cloud-amd64 has no release at all.
    rest.starts_with('.').then_some(release)
}

/// The numbers of a release, which order it: [6, 12, 117, 13] of `6.12.117+deb13-…`.
fn numbers(release: &str) -> Vec<u32> {
    // Architectures have numbers in their names.
    let (version, _) = release.split_once("-cloud-").unwrap_or((release, ""));
    version
        .split(|byte: char| !byte.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// The image and, where it's split, the packages that hold the kernel and its modules.
fn packages(release: &str, image: &Version, apt: &Apt) -> Result<Vec<Version>> {
    let mut packages = vec![image.clone()];
    for name in apt.depends(image)? {
        if ["linux-binary-", "linux-modules-"].iter().any(|kind| name == format!("{kind}{release}"))
        {
            let same = apt.versions(&name)?.into_iter().find(|one| one.version == image.version);
            packages.push(same.with_context(|| apt.not_found(&name))?);
        }
    }
    Ok(packages)
}

fn vmlinuz(unpacked: &Path, release: &str) -> Result<PathBuf> {
    let places = [format!("boot/vmlinuz-{release}"), format!("usr/lib/modules/{release}/vmlinuz")];
    first(unpacked, &places)
}

fn modules_tree(unpacked: &Path, release: &str) -> Result<PathBuf> {
    let places =
        [format!("lib/modules/{release}/kernel"), format!("usr/lib/modules/{release}/kernel")];
    first(unpacked, &places)
}

fn first(folder: &Path, places: &[String]) -> Result<PathBuf> {
    let mut paths = places.iter().map(|place| folder.join(place));
    paths
        .find(|path| path.exists())
        .with_context(|| format!("find {} in the kernel's packages", places.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_its_own_series_only() {
        let is = |package: &str, wanted| release(package, wanted, "-cloud-amd64").is_some();
        assert!(is("linux-image-6.1.0-50-cloud-amd64", "6.1"));
        assert!(!is("linux-image-6.12.117+deb13-cloud-amd64", "6.1"));
        assert!(is("linux-image-6.12.117+deb13-cloud-amd64", "6.12"));
        assert!(is("linux-image-7.3.4+deb13-cloud-amd64", "7"));
        assert!(!is("linux-image-5.10.0-32-cloud-amd64", "5.10.0-32"));
        assert!(!is("linux-image-cloud-amd64", "7"));
        assert!(!is("linux-image-7.3.4+deb13-amd64", "7"));
        assert!(!is("linux-image-7.3.4+deb13-cloud-amd64-unsigned", "7"));
    }

    #[test]
    fn numbers_order_releases_and_not_letters() {
        let mut releases = [
            "7.2.12+deb14-cloud-amd64",
            "7.3.4+deb13-cloud-amd64",
            "7.2.9+deb13-cloud-amd64",
            "7.2.12+deb13-cloud-amd64",
            "7.0.13+deb13-cloud-amd64",
        ];
        releases.sort_by_cached_key(|release| numbers(release));
        assert_eq!(
            releases.map(|release| &release[..6]),
            ["7.0.13", "7.2.9+", "7.2.12", "7.2.12", "7.3.4+"]
        );
        assert!(numbers("5.10.0-32-cloud-amd64") > numbers("5.10.0-9-cloud-amd64"));
    }
}
