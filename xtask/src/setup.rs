//! `cargo xtask setup`: brings what the eBPF side needs and a Rust toolchain lacks.

use anyhow::Result;

use crate::{bpf_linker, cache::Cache, cargo::Rustc, rust_src};

/// Brings what is missing and tells what it did.
pub(crate) fn setup() -> Result<()> {
    if !ensure()? {
        println!("nothing to do: rust-src and bpf-linker are there");
    }
    Ok(())
}

/// Brings what is missing; gives back whether anything was.
pub(crate) fn ensure() -> Result<bool> {
    let rustc = Rustc::ask()?;
    let cache = Cache::open()?;
    let brought_sources = rust_src::ensure(&rustc, &cache)?;
    let brought_linker = bpf_linker::ensure(&rustc, &cache)?;
    Ok(brought_sources || brought_linker)
}
