//! `cargo xtask test`: everything that can be tested here, then the matrix of kernels.

use std::{
    io,
    io::{BufRead as _, BufReader},
    num::NonZero,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cargo::{self, Executable, Rustc},
    command,
    guest::Guest,
    image::{self, Release},
    root, setup,
    tally::Tally,
    tools, vm,
};

/// What libtest is told besides the user's words: a passed test's output is needed because
/// it may say that it skipped.
pub(crate) const LIBTEST: [&str; 2] = ["--show-output", "--color=never"];

/// Kernel tests that a whole run leaves out in guests, where they take ten minutes more: they
/// run on this machine, and on any kernel by `cargo xtask vm`.
const BY_NAME: [&str; 14] = [
    "bounds::",
    "burst::",
    "clocks::",
    "company::",
    "endings::",
    "failures::",
    "handshakes::",
    "labels::a_failure",
    "labels::both_ends",
    "labels::the_same",
    "moving::",
    "privileges::",
    "sharing::",
    "uring::",
];

/// Tests that run at once on each processor: most wait for the agent's next file.
const AT_ONCE: usize = 4;

/// There where the kernel has kprobes.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Runs all tests on this machine and the kernel tests in `guests`, and sums them up.
pub(crate) fn test(guests: &[Guest], args: &[String]) -> Result<()> {
    timed("setup", setup::ensure)?;
    let rustc = Rustc::ask()?;
    let mut tools = timed("fetch tools", tools::all)?;
    let built = timed("build", || build(&rustc))?;
    let image = cargo::target_folder().join("ngraph-under-test.oci.tar");
    let agent = cargo::agent(&built)?;
    image::write(agent, &Release::of(agent)?, &image)?;
    tools.push(("NGRAPH_IMAGE", image));
    let mut tally = timed("tests on this machine", || host(&rustc, &tools, args))?;
    if !guests.is_empty() {
        let args: Vec<String> =
            BY_NAME.iter().map(|module| format!("--skip={module}")).chain(args.to_vec()).collect();
        match timed("guests", || vm::matrix(guests, &rustc, &built, &args)) {
            Ok(counted) => tally += counted,
            Err(err) => tally.fail(format!("guests: {err:#}")),
        }
    }
    conclude(&tally)
}

/// Builds all tests as the static binary is built: the same files run here and in guests.
pub(crate) fn build(rustc: &Rustc) -> Result<Vec<Executable>> {
    let mut build = cargo::cargo_static("test", cargo::TESTS, &rustc.host);
    cargo::executables(build.args(["--workspace", "--no-run"]))
}

/// Runs `step` and tells how long it took.
pub(crate) fn timed<T>(name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    println!("== {name}");
    let result = step();
    println!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Shows all failures together, then the sum.
pub(crate) fn conclude(tally: &Tally) -> Result<()> {
    if !tally.failures.is_empty() {
        println!("\n== what failed\n{}", tally.failures.join("\n"));
    }
    println!("\n{}", tally.summary());
    if tally.failed > 0 {
        bail!("{} failed", tally.failed);
    }
    Ok(())
}

/// Runs all tests of the workspace here, as root.
fn host(rustc: &Rustc, tools: &[(&str, PathBuf)], args: &[String]) -> Result<Tally> {
    let sudo = root::prefix(&["-E"], "tests load eBPF programs: run this as root")?;
    let mut command = cargo::cargo_static("test", cargo::TESTS, &rustc.host);
    command.args(["--workspace", "--no-fail-fast", "--"]).args(LIBTEST).args(args);
    println!("tests that change the whole machine are for the guests");
    command.arg("--skip=alone::");
    // Each has a verb of its own.
    command.args(["--skip=deb::", "--skip=rpm::", "--skip=stay_flat"]);
    if !Path::new(KPROBES).exists() {
        println!("this kernel has no kprobes: tests named ::kprobe are for the guests");
        command.arg("--skip=::kprobe");
    }
    command.envs(tools.iter().cloned()).env("NGRAPH_MUST_RUN", "1");
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    command.env("RUST_TEST_THREADS", (AT_ONCE * processors).to_string());
    if !sudo.is_empty() {
        command.env(cargo::variable(&rustc.host, "RUNNER"), sudo.join(" "));
    }
    count(command)
}

/// Runs cargo, shows what it and the tests print, and counts.
fn count(mut command: Command) -> Result<Tally> {
    let line = command::show(&command);
    let (reader, writer) = io::pipe().context("open a pipe")?;
    command.stderr(writer.try_clone().context("open a pipe")?).stdout(writer);
    let mut child = command.spawn().with_context(|| line.clone())?;
    // It holds the writing ends, without which reading would never end.
    drop(command);
    let mut tally = Tally::default();
    for bytes in BufReader::new(reader).split(b'\n') {
        let bytes = bytes.context("read what the tests print")?;
        let text = String::from_utf8_lossy(&bytes);
        if tally.read(&text) {
            println!("{text}");
        }
    }
    let status = child.wait().with_context(|| line.clone())?;
    if !status.success() && tally.failed == 0 {
        tally.fail(format!("{line}: {status}, though no test failed"));
    }
    Ok(tally)
}
