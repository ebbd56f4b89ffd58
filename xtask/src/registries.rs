//! Packages of npm's and Python's registries, by their own clients, which know this machine's
//! mirrors. What comes is checked against the sum written here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{command, digest};

/// A package's file: where it comes from and what it must be.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) sha256: &'static str,
}

/// Unpacks a package of npm's registry into `folder`, where it makes a folder `package`.
pub(crate) fn npm(package: &Package, folder: &Path) -> Result<()> {
    let spec = format!("{}@{}", package.name, package.version);
    let archive = download(package, folder, |downloads| {
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent", &spec]).current_dir(downloads);
        npm
    })?;
    command::output(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder))?;
    remove(&archive)
}

/// Unpacks a package of Python's registry, without those that it depends on.
pub(crate) fn python(package: &Package, folder: &Path) -> Result<()> {
    let spec = format!("{}=={}", package.name, package.version);
    let archive = download(package, folder, |downloads| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", &spec]);
        pip.current_dir(downloads);
        pip
    })?;
    unzip(&archive, folder)?;
    remove(&archive)
}

/// Unpacks a zip file; every file in it is a plain one then.
pub(crate) fn unzip(archive: &Path, folder: &Path) -> Result<()> {
    // Where there is pip, this is too.
    let mut unzip = Command::new("python3");
    command::output(unzip.args(["-m", "zipfile", "-e"]).arg(archive).arg(folder)).map(drop)
}

/// The one file that a client leaves in a folder of its own, if it is the right one.
fn download(
    package: &Package,
    folder: &Path,
    client: impl FnOnce(&Path) -> Command,
) -> Result<PathBuf> {
    eprintln!("fetch {} {}", package.name, package.version);
    let downloads = folder.join(".download");
    fs::create_dir_all(&downloads).with_context(|| format!("create {}", downloads.display()))?;
    command::output(&mut client(&downloads))?;
    let mut files = fs::read_dir(&downloads)?;
    let file = files.next().with_context(|| format!("{}: no file came", package.name))??.path();
    let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let sum = digest::sha256(&bytes);
    if sum != package.sha256 {
        bail!("{} has the SHA-256 {sum}, and not {}", file.display(), package.sha256);
    }
    Ok(file)
}

fn remove(download: &Path) -> Result<()> {
    fs::remove_file(download).with_context(|| format!("remove {}", download.display()))
}
