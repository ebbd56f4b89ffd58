//! Building for another architecture than this machine's: a compiler with a static C library, which
//! links and compiles what crates have of C, and Rust's own library.

use std::{
    env,
    env::consts,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt::Apt,
    arch::Arch,
    cache::Cache,
    cargo::{self, Rustc},
    command,
};

/// `cargo VERB` for static binaries of `arch`, with what that takes.
pub(crate) fn cargo_static(
    verb: &str,
    profile: &str,
    arch: Arch,
    rustc: &Rustc,
) -> Result<Command> {
    if Arch::host() == Some(arch) {
        return Ok(cargo::cargo_static(verb, profile, &rustc.host));
    }
    let triple = arch.triple();
    let mut command = cargo::cargo_static(verb, profile, &triple);
    // In the common folder each build would undo the other's work: build scripts look at
    // RUSTC_BOOTSTRAP.
    command.arg("--target-dir").arg(cargo::target_folder().join("cross"));
    if !rustc.sysroot.join("lib/rustlib").join(&triple).join("lib").is_dir() {
        command.args(["-Z", "build-std"]).env("RUSTC_BOOTSTRAP", "1");
    }
    let linker = cargo::variable(&triple, "LINKER");
    // As the crate `cc` asks for it.
    let compiler = format!("CC_{}", triple.replace('-', "_"));
    let missing: Vec<_> =
        [&linker, &compiler].into_iter().filter(|name| env::var_os(name).is_none()).collect();
    if !missing.is_empty() {
        let gcc = gcc(arch).with_context(|| {
            let packages = format!("gcc-{} and {}", package(arch), c_library(arch));
            format!(
                "bring a compiler for {triple} (install {packages}, or set {linker} and {compiler})"
            )
        })?;
        command.envs(missing.into_iter().map(|name| (name, &gcc)));
    }
    Ok(command)
}

/// A compiler for `arch`: this machine's, else Debian's, unpacked in the cache.
fn gcc(arch: Arch) -> Result<PathBuf> {
    if let Some(gcc) = command::find(&format!("{}-gcc", arch.gnu()))
        && command::text(Command::new(&gcc).arg("-print-file-name=libc.a"))
            .is_ok_and(|path| Path::new(path.trim()).exists())
    {
        return Ok(gcc);
    }
    let cache = Cache::open()?;
    let unpack = |folder: &Path| unpack(arch, &cache, folder);
    let name = format!("cross/{}-gcc", arch.debian());
    Ok(cache.checked(&name, unpack, |folder| check(&folder.join(GCC)))?.join(GCC))
}

/// Has gcc start its linker, which has libraries of its own, and compile what includes some of C's.
fn check(gcc: &Path) -> Result<()> {
    command::output(Command::new(gcc).arg("-Wl,--version"))?;
    let words = ["-fsyntax-only", "-include", "stdlib.h", "-x", "c", "/dev/null"];
    command::output(Command::new(gcc).args(words)).map(drop)
}

const GCC: &str = "gcc";

/// Unpacks gcc with its compiler of C, its linker and the C library of this machine's release, and writes how to start
/// them where they lie.
fn unpack(arch: Arch, cache: &Cache, folder: &Path) -> Result<()> {
    let apt = Apt::open(cache)?;
    let package = package(arch);
    // `gcc-12-aarch64-linux-gnu` of `gcc-aarch64-linux-gnu`.
    let of = |whole: &str, begin: &str, end: &str| {
        let names = apt.own_depends(whole)?;
        let name = names.into_iter().find(|name| name.starts_with(begin) && name.ends_with(end));
        name.with_context(|| format!("{whole} depends on no {begin}*{end}"))
    };
    let compiler = of(&format!("gcc-{package}"), "gcc-", &format!("-{package}"))?;
    let c = of(&compiler, "cpp-", &format!("-{package}"))?;
    let library = of(&compiler, "libgcc-", "-cross")?;
    let kernel = format!("linux-libc-dev-{}-cross", arch.debian());
    let binutils = format!("binutils-{package}");
    for name in [&compiler, &c, &binutils, &library, &c_library(arch), &kernel] {
        apt.own_into(name, folder)?;
    }
    let major = compiler.split('-').nth(1).unwrap_or_default();
    let gcc = format!("usr/bin/{}-gcc-{major}", arch.gnu());
    if !folder.join(&gcc).is_file() {
        bail!("{compiler} holds no {gcc}");
    }
    let libraries = format!("usr/lib/{}-linux-gnu", consts::ARCH);
    let script = format!(
        "#!/bin/sh\n\
         root=$(dirname \"$0\")\n\
         LD_LIBRARY_PATH=$root/{libraries} exec \"$root/{gcc}\" --sysroot=\"$root\" \"$@\"\n"
    );
    let start = folder.join(GCC);
    fs::write(&start, script)
        .and_then(|()| fs::set_permissions(&start, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("write {}", start.display()))
}

/// What Debian's packages of compilers for `arch` end with.
fn package(arch: Arch) -> String {
    arch.gnu().replace('_', "-")
}

fn c_library(arch: Arch) -> String {
    format!("libc6-dev-{}-cross", arch.debian())
}
