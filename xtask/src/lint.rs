//! `cargo xtask lint`: clippy on both sides; a warning is an error.

use anyhow::{Result, bail};

use crate::{cargo, command, setup};

/// Checks the host's side and the eBPF crate as the kernel gets it; shows what both say.
pub(crate) fn lint() -> Result<()> {
    setup::ensure()?;
    match (host(), kernel()) {
        (Err(host), Err(kernel)) => bail!("{host:#}; {kernel:#}"),
        (host, kernel) => host.and(kernel),
    }
}

const DENY: [&str; 3] = ["--", "-D", "warnings"];

fn host() -> Result<()> {
    command::run(cargo::cargo().args(["clippy", "--workspace", "--all-targets"]).args(DENY))
}

/// As ngraph's build script compiles it. Registers differ from one architecture to the
/// next; x86_64 stands for all.
fn kernel() -> Result<()> {
    command::run(
        cargo::cargo()
            .args(["clippy", "--package", "ngraph-ebpf", "-Z", "build-std=core"])
            .args(["--target", "bpfel-unknown-none", "--target-dir"])
            // In the common folder each of the two would undo the other's work: build
            // scripts look at RUSTC_BOOTSTRAP.
            .arg(cargo::target_folder().join("lint-kernel"))
            .args(DENY)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "--cfg bpf_target_arch=\"x86_64\""),
    )
}
