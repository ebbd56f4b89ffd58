//! bpf-linker, which links the eBPF program: built once per toolchain, copied to each clone.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{cache::Cache, cargo, cargo::Rustc, command};

/// The newest that loads rustc's own LLVM; later ones want LLVM's packages.
const VERSION: &str = "0.10.3";

/// Brings `.tools/bin/bpf-linker`; gives back whether it was missing.
pub(crate) fn ensure(rustc: &Rustc, cache: &Cache) -> Result<bool> {
    let tools = cargo::root().join(".tools");
    let binary = tools.join("bin/bpf-linker");
    // It loads the LLVM of the rustc that built it, so another rustc needs another one.
    let key = format!("bpf-linker/{VERSION}-rustc-{}-{}", rustc.release, rustc.host);
    let stamp = tools.join("bpf-linker.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == key) && check(&binary).is_ok() {
        return Ok(false);
    }
    let mut built = cache.folder(&key, build)?.join("bin/bpf-linker");
    if check(&built).is_err() {
        // The cache may come from another machine, with other system libraries.
        let folder = cache.path(&key);
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        built = cache.folder(&key, build)?.join("bin/bpf-linker");
        check(&built)?;
    }
    copy(&built, &binary)
        .and_then(|()| Ok(fs::write(&stamp, key)?))
        .with_context(|| format!("copy {} to {}", built.display(), binary.display()))?;
    println!("bpf-linker {VERSION}: {}", binary.display());
    Ok(true)
}

fn check(binary: &Path) -> Result<()> {
    let said = command::text(Command::new(binary).arg("--version"))?;
    if said.trim() != format!("bpf-linker {VERSION}") {
        bail!("{} is `{}`, not {VERSION}", binary.display(), said.trim());
    }
    Ok(())
}

fn build(folder: &Path) -> Result<()> {
    eprintln!("build bpf-linker {VERSION} (about 90 s)");
    command::run(
        cargo::cargo()
            .args(["install", "bpf-linker", "--version", &format!("={VERSION}")])
            .args(["--locked", "--quiet", "--no-track", "--root"])
            .arg(folder)
            // The project's own target folder would keep 500 MB of it.
            .env_remove("CARGO_TARGET_DIR")
            // Flags for the agent, such as a static C library, don't fit a tool that loads LLVM.
            .env_remove("RUSTFLAGS"),
    )
}

/// Copies beside the target and renames: a running bpf-linker can't be written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("no parent folder")?)?;
    let part = to.with_extension(format!("part-{}", std::process::id()));
    fs::copy(from, &part)?;
    Ok(fs::rename(part, to)?)
}
