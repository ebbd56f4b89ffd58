//! The standard library's sources: cargo compiles `core` for the BPF target from them.

use std::{
    fs,
    os::unix,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{apt::Apt, cache::Cache, cargo::Rustc, command};

/// Brings the sources of exactly this rustc; gives back whether they were missing.
pub(crate) fn ensure(rustc: &Rustc, cache: &Cache) -> Result<bool> {
    let library = rustc.sysroot.join("lib/rustlib/src/rust/library");
    if is_whole(&library) {
        return Ok(false);
    }
    let by_rustup = from_rustup(&library);
    let Err(rustup_error) = by_rustup else {
        println!("rust-src {}: brought by rustup", rustc.release);
        return Ok(true);
    };
    let from_debian = from_debian(rustc, cache).and_then(|folder| link(&folder, &library));
    if let Err(debian_error) = from_debian {
        bail!(
            "bring the sources of Rust {release}'s standard library: \
             rustup: {rustup_error:#}; Debian package: {debian_error:#} \
             (either `rustup component add rust-src`, or put Rust's folder `library` of tag \
             {release} at {library})",
            release = rustc.release,
            library = library.display(),
        );
    }
    println!("rust-src {}: brought from Debian's package", rustc.release);
    Ok(true)
}

/// Cargo reads the lock file first; a link whose target is gone has none.
fn is_whole(library: &Path) -> bool {
    library.join("Cargo.lock").is_file()
}

fn from_rustup(library: &Path) -> Result<()> {
    if command::find("rustup").is_none() {
        bail!("not on the PATH");
    }
    // rustup can't replace a dead link of ours.
    if library.is_symlink() {
        fs::remove_file(library)
            .with_context(|| format!("remove the dead link {}", library.display()))?;
    }
    // Without a toolchain argument rustup takes the one that runs this very process.
    command::output(Command::new("rustup").args(["component", "add", "rust-src"]))?;
    if !is_whole(library) {
        bail!("rustup brought rust-src to another toolchain than {}", library.display());
    }
    Ok(())
}

/// The folder `library` of Debian's package `rust-src`, in the cache.
fn from_debian(rustc: &Rustc, cache: &Cache) -> Result<PathBuf> {
    let library = format!("usr/src/rustc-{}/library", rustc.release);
    let name = format!("rust-src/{}", rustc.release);
    let folder = cache.folder(&name, |folder| {
        let apt = Apt::open(cache)?;
        let versions = apt.versions("rust-src")?;
        let version = versions
            .iter()
            .find(|version| upstream(&version.version) == rustc.release)
            .with_context(|| apt.not_found(&format!("rust-src {}", rustc.release)))?;
        apt.unpack(version, folder)?;
        if !is_whole(&folder.join(&library)) {
            bail!("{version:?} holds no {library}/Cargo.lock");
        }
        Ok(())
    })?;
    Ok(folder.join(library))
}

/// The version that Rust itself knows: `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`.
fn upstream(version: &str) -> &str {
    version.split(['+', '-', '~']).next().unwrap_or(version)
}

/// Makes `link` point to `library`, in one step.
fn link(library: &Path, link: &Path) -> Result<()> {
    let part = link.with_extension(format!("part-{}", std::process::id()));
    fs::create_dir_all(link.parent().context("a link needs a folder")?)
        .and_then(|()| unix::fs::symlink(library, &part))
        .and_then(|()| fs::rename(&part, link))
        .with_context(|| {
            let (library, link) = (library.display(), link.display());
            format!("link {link} to {library} (as root: ln -sfn {library} {link})")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_release_fits() {
        assert_eq!(upstream("1.95.0+dfsg1-2~bpo13+1"), "1.95.0");
        assert_eq!(upstream("1.95.0-1"), "1.95.0");
        assert_ne!(upstream("1.95.1+dfsg1-1"), "1.95.0");
    }

    #[test]
    fn link_replaces_a_dead_link() {
        let scratch = tempfile::tempdir().unwrap();
        let sources = scratch.path().join("sources");
        fs::create_dir(&sources).unwrap();
        fs::write(sources.join("Cargo.lock"), "").unwrap();
        let library = scratch.path().join("sysroot/library");
        link(Path::new("/nonexistent"), &library).unwrap();
        assert!(!is_whole(&library));
        link(&sources, &library).unwrap();
        assert!(is_whole(&library));
    }
}
