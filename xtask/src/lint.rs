//! `cargo xtask lint`: clippy on both sides; a warning is an error.

use std::env::consts;

use anyhow::{Result, bail};

use crate::{
    cargo::{self, Rustc},
    command, setup,
};

/// Checks the host's side and the eBPF crate as the kernel gets it; shows what both say.
pub(crate) fn lint() -> Result<()> {
    setup::ensure()?;
    match (host(), kernel()) {
        (Err(host), Err(kernel)) => bail!("{host:#}; {kernel:#}"),
        (host, kernel) => host.and(kernel),
    }
}

const DENY: [&str; 3] = ["--", "-D", "warnings"];

/// As the tests are built, so that the macros of one are there for the other.
fn host() -> Result<()> {
    let mut clippy = cargo::cargo_static("clippy", cargo::TESTS, &Rustc::ask()?.host);
    clippy.args(["--workspace", "--all-targets"]).args(DENY);
    command::run(cargo::without_kernel_side(&mut clippy))
}

/// As ngraph's build script compiles it. Registers differ from one architecture to the
/// next; this machine's stand for all.
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
            .env("RUSTFLAGS", format!("--cfg bpf_target_arch=\"{}\"", consts::ARCH)),
    )
}
