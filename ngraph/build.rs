//! Compiles the kernel side for the BPF target and tells the agent its commit.

use std::{env, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain, build_ebpf};

fn main() {
    // One line: cargo shows a build script's stderr whole.
    if let Err(err) = commit().and_then(|()| kernel_side()) {
        eprintln!("ngraph: {err:#}");
        std::process::exit(1);
    }
}

fn kernel_side() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("find the workspace")?;
    let tools = root.join(".tools/bin");
    let sysroot = rustc(&["--print", "sysroot"])?;
    let core = Path::new(&sysroot).join("lib/rustlib/src/rust/library/Cargo.lock");
    for needed in [tools.join("bpf-linker"), core] {
        println!("cargo:rerun-if-changed={}", needed.display());
        if !needed.exists() {
            bail!("{} is missing, run `cargo xtask setup` first", needed.display());
        }
    }
    println!("cargo:rerun-if-changed={}", root.join("ngraph-common/src").display());

    let mut path = vec![tools];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).context("put .tools/bin before PATH")?;
    // SAFETY: the build script has a single thread.
    unsafe {
        env::set_var("PATH", path);
        // bpf-linker loads rustc's own LLVM.
        env::set_var("LD_LIBRARY_PATH", Path::new(&sysroot).join("lib"));
        // Lets the pinned stable toolchain build `core` for the BPF target.
        env::set_var("RUSTC_BOOTSTRAP", "1");
    }
    let toolchain = env::var("RUSTUP_TOOLCHAIN").unwrap_or_else(|_| "stable".to_owned());
    let kernel_side = root.join("ngraph-ebpf");
    let root_dir = kernel_side.to_str().context("the workspace's path is not UTF-8")?;
    build_ebpf(
        [Package { name: "ngraph-ebpf", root_dir, ..Package::default() }],
        Toolchain::Custom(&toolchain),
    )
    .context("build the kernel side")?;
    // With AYA_BUILD_SKIP=1 there is none, for who wants the user side alone: an empty file takes its
    // place, which no kernel loads.
    let out = env::var_os("OUT_DIR").context("OUT_DIR is not set: run this by cargo")?;
    let object = Path::new(&out).join("ngraph-ebpf");
    if !object.exists() {
        fs::write(&object, []).with_context(|| format!("write {}", object.display()))?;
    }
    Ok(())
}

/// `NGRAPH_COMMIT`: the commit's short hash, or `unknown` outside a repository.
fn commit() -> Result<()> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]);
    println!("cargo:rustc-env=NGRAPH_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    // A path that isn't there would make cargo build anew each time.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    Ok(())
}

fn rustc(args: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").context("RUSTC is not set: run this by cargo")?;
    let output = Command::new(&rustc).args(args).output().context("run rustc")?;
    Ok(String::from_utf8(output.stdout).context("read rustc's answer")?.trim().to_owned())
}
