//! `cargo xtask test`: everything that can be tested here, then the matrix of kernels.

use std::{
    env, io,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt::Apt,
    cache::Cache,
    cargo::{self, Executable, Rustc},
    command,
    guest::Guest,
    root, setup,
    tally::Tally,
    vm,
};

/// What libtest is told besides the user's words: a passed test's output is needed because
/// it may say that it skipped.
pub(crate) const LIBTEST: [&str; 2] = ["--show-output", "--color=never"];

/// Kernel tests that a whole run leaves out in guests, where they take ten minutes more: they
/// run on this machine, and on any kernel by `cargo xtask vm`.
const BY_NAME: [&str; 11] = [
    "bounds::",
    "burst::",
    "clocks::",
    "company::",
    "endings::",
    "failures::",
    "handshakes::",
    "moving::",
    "privileges::",
    "sharing::",
    "uring::",
];

/// There where the kernel has kprobes.
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe/type";

/// Runs all tests on this machine and the kernel tests in `guests`, and sums them up.
pub(crate) fn test(guests: &[Guest], args: &[String]) -> Result<()> {
    timed("setup", setup::ensure)?;
    let rustc = Rustc::ask()?;
    let tools = timed("fetch tools", tools)?;
    let built = timed("build", || build(&rustc))?;
    let mut tally = timed("tests on this machine", || host(&rustc, &tools, args))?;
    if !guests.is_empty() {
        let args: Vec<String> =
            BY_NAME.iter().map(|module| format!("--skip={module}")).chain(args.to_vec()).collect();
        match timed("guests", || vm::matrix(guests, &built, &args)) {
            Ok(counted) => tally += counted,
            Err(err) => tally.fail(format!("guests: {err:#}")),
        }
    }
    conclude(&tally)
}

/// Builds all tests as the static binary is built: the same files run here and in guests.
pub(crate) fn build(rustc: &Rustc) -> Result<Vec<Executable>> {
    let mut build = cargo::cargo_static("test", &rustc.host);
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

/// A program that reads the agent's files, or checks what is made for it.
struct Tool {
    /// Tells tests where it is.
    variable: &'static str,
    package: &'static str,
    place: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool { variable: "NGRAPH_PROMETHEUS", package: "prometheus", place: "usr/bin/prometheus" },
    Tool { variable: "NGRAPH_PROMTOOL", package: "prometheus", place: "usr/bin/promtool" },
    Tool {
        variable: "NGRAPH_NODE_EXPORTER",
        package: "prometheus-node-exporter",
        place: "usr/bin/prometheus-node-exporter",
    },
];

/// Brings the tools that the user has not set, and gives back where they are.
fn tools() -> Result<Vec<(&'static str, PathBuf)>> {
    let unset = TOOLS.iter().filter(|tool| env::var_os(tool.variable).is_none());
    let unset: Vec<&Tool> = unset.collect();
    if unset.is_empty() {
        return Ok(Vec::new());
    }
    bring(&unset).with_context(|| {
        let variables: Vec<&str> = unset.iter().map(|tool| tool.variable).collect();
        format!("bring the tests' tools (or set {} to where they are)", variables.join(" and "))
    })
}

fn bring(tools: &[&Tool]) -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = Cache::open()?;
    let apt = Apt::open(&cache)?;
    tools.iter().map(|tool| Ok((tool.variable, apt.own(tool.package)?.join(tool.place)))).collect()
}

/// Runs all tests of the workspace here, as root.
fn host(rustc: &Rustc, tools: &[(&str, PathBuf)], args: &[String]) -> Result<Tally> {
    let sudo = root::prefix(&["-E"], "tests load eBPF programs: run this as root")?;
    let mut command = cargo::cargo_static("test", &rustc.host);
    command.args(["--workspace", "--no-fail-fast", "--"]).args(LIBTEST).args(args);
    println!("tests named alone:: change the whole machine: they are for the guests");
    command.arg("--skip=alone::");
    // Both have a verb of their own.
    command.arg("--skip=deb::");
    command.arg("--skip=stay_flat");
    if !Path::new(KPROBES).exists() {
        println!("this kernel has no kprobes: tests named ::kprobe are for the guests");
        command.arg("--skip=::kprobe");
    }
    command.envs(tools.iter().cloned()).env("NGRAPH_MUST_RUN", "1");
    if !sudo.is_empty() {
        let target = rustc.host.to_uppercase().replace('-', "_");
        command.env(format!("CARGO_TARGET_{target}_RUNNER"), sudo.join(" "));
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
