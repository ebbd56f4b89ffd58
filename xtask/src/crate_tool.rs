//! Programs from crates.io, built once per toolchain and machine.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::{
    cache::Cache,
    cargo::{self, Rustc},
    command,
};

/// The program `name`: the one on the PATH, else of `version`, built into the cache.
pub(crate) fn bring(name: &str, version: &str) -> Result<PathBuf> {
    if let Some(program) = command::find(name) {
        return Ok(program);
    }
    let rustc = Rustc::ask()?;
    let key = format!("{name}/{version}-{}", rustc.host);
    let folder = Cache::open()?.folder(&key, |folder| install(name, version, folder))?;
    Ok(folder.join("bin").join(name))
}

/// Builds `name` and puts it into the folder `bin` of `folder`.
pub(crate) fn install(name: &str, version: &str, folder: &Path) -> Result<()> {
    eprintln!("build {name} {version} (some minutes)");
    command::run(
        cargo::cargo()
            .args(["install", name, "--version", &format!("={version}")])
            .args(["--locked", "--quiet", "--no-track", "--root"])
            .arg(folder)
            // The project's own target folder would keep 500 MB of it.
            .env_remove("CARGO_TARGET_DIR")
            // Flags for the agent, such as a static C library, don't fit a tool that loads LLVM.
            .env_remove("RUSTFLAGS"),
    )
}
