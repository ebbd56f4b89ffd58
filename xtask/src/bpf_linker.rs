//! bpf-linker, which links the eBPF program: built once per toolchain, copied to each clone.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{cache::Cache, cargo, cargo::Rustc, command, crate_tool};

/// The newest that loads rustc's own LLVM; later ones want LLVM's packages.
const VERSION: &str = "0.10.3";

const BINARY: &str = "bin/bpf-linker";

/// Brings `.tools/bin/bpf-linker`; gives back whether it was missing.
pub(crate) fn ensure(rustc: &Rustc, cache: &Cache) -> Result<bool> {
    let tools = cargo::root().join(".tools");
    let binary = tools.join(BINARY);
    // It loads the LLVM of the rustc that built it, so another rustc needs another one.
    let key = format!("bpf-linker/{VERSION}-rustc-{}-{}", rustc.release, rustc.host);
    let stamp = tools.join("bpf-linker.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == key) && check(&binary).is_ok() {
        return Ok(false);
    }
    let built = cache.checked(&key, build, |folder| check(&folder.join(BINARY)))?.join(BINARY);
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
    crate_tool::install("bpf-linker", VERSION, folder)
}

/// Copies beside the target and renames: a running bpf-linker can't be written to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("no parent folder")?)?;
    let part = to.with_extension(format!("part-{}", std::process::id()));
    fs::copy(from, &part)?;
    Ok(fs::rename(part, to)?)
}
