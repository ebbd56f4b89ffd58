//! `cargo xtask instructions`: how many instructions an event takes on its way to the file.
//!
//! Time means little on a machine that others use, too; valgrind's count of instructions hardly
//! changes from one run to the next. What is counted is a program of this project's own, so that
//! no more than valgrind itself is needed: the library for this, gungraun, has to have a runner
//! of its very version installed beside it, for fifty crates, and keeps its figures in a folder
//! of its own and not in a file that a commit can change.

mod figures;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    apt::Apt,
    cache::Cache,
    cargo::{self, Rustc},
    command, setup,
};
use figures::{Figures, Instructions};

/// What to do with what is counted.
#[derive(Args)]
pub(crate) struct Options {
    /// Record what is counted as what is right, and why it may be
    #[arg(long, value_name = "REASON")]
    bless: Option<String>,
}

/// By how much a stage may grow until somebody has to say why, in percent.
const SLACK: u64 = 5;

/// Counts, and compares to what is recorded.
pub(crate) fn instructions(options: &Options) -> Result<()> {
    let toolchain = toolchain()?;
    let file = cargo::root().join("ngraph/benches/instructions.txt");
    let counted = count(&valgrind()?, &program()?)?;
    if let Some(reason) = &options.bless {
        let text = Figures { toolchain, reason: reason.clone(), stages: counted }.to_string();
        fs::write(&file, &text).with_context(|| format!("write {}", file.display()))?;
        print!("{text}");
        return Ok(());
    }
    let text = fs::read_to_string(&file);
    let recorded: Figures =
        text.with_context(|| format!("read {}", file.display()))?.parse().with_context(|| {
            format!("read {} (a new one: cargo xtask instructions --bless REASON)", file.display())
        })?;
    println!("{}", recorded.beside(&counted));
    if recorded.toolchain != toolchain {
        bail!(
            "the figures in {} are of another toolchain, {}, and this is {toolchain}: \
             cargo xtask instructions --bless REASON records its own",
            file.display(),
            recorded.toolchain
        );
    }
    let grown = recorded.grown(&counted, SLACK);
    if !grown.is_empty() {
        bail!(
            "more instructions than {} has, by more than {SLACK} %: {} (where they are worth it: \
             cargo xtask instructions --bless REASON)",
            file.display(),
            grown.join(", ")
        );
    }
    Ok(())
}

/// `1.95.0 x86_64-unknown-linux-gnu`: others make other instructions of the same source.
fn toolchain() -> Result<String> {
    let rustc = Rustc::ask()?;
    Ok(format!("{} {}", rustc.release, rustc.host))
}

/// The program that is counted, built as the tests' programs are, which mostly lie there already.
fn program() -> Result<PathBuf> {
    setup::ensure()?;
    let mut build = cargo::cargo_static("test", cargo::TESTS, &Rustc::ask()?.host);
    // Whoever wants quick builds would count other instructions.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_")) {
            build.env_remove(name);
        }
    }
    build.args(["--workspace", "--bench", NAME, "--no-run"]);
    let built = cargo::executables(&mut build)?;
    cargo::instructions(&built).map(Path::to_owned)
}

const NAME: &str = "instructions";

/// A valgrind: installed, or Debian's, unpacked.
struct Valgrind {
    program: PathBuf,
    /// Where its tools are, if not where it looks by itself.
    tools: Option<PathBuf>,
}

fn valgrind() -> Result<Valgrind> {
    if let Some(program) = command::find("valgrind") {
        return Ok(Valgrind { program, tools: None });
    }
    let cache = Cache::open()?;
    let folder = Apt::open(&cache)
        .and_then(|apt| apt.own("valgrind"))
        .context("bring valgrind, which isn't installed")?;
    // Not bin/valgrind: that is a script which looks for it where it isn't.
    let program = folder.join("usr/bin/valgrind.bin");
    Ok(Valgrind { program, tools: Some(folder.join("usr/libexec/valgrind")) })
}

/// Runs the program, and gives what each of its stages took.
fn count(valgrind: &Valgrind, program: &Path) -> Result<Vec<Instructions>> {
    let folder = cargo::target_folder().join(NAME);
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let profile = folder.join("callgrind.out");
    let mut command = Command::new(&valgrind.program);
    command
        .args(["--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        // The C library takes other ways on processors with wider registers.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS,-FSRM");
    if let Some(tools) = &valgrind.tools {
        command.env("VALGRIND_LIB", tools);
    }
    command::run(&mut command)?;
    let text =
        fs::read_to_string(&profile).with_context(|| format!("read {}", profile.display()))?;
    let counted = figures::stages(&text);
    if counted.is_empty() {
        bail!("find the stages in {}: none is called", profile.display());
    }
    println!("by function: callgrind_annotate {}", profile.display());
    Ok(counted)
}
