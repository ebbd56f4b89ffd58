//! `cargo xtask fuzz`: builds the fuzzer's targets on the pinned toolchain and runs them.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cargo::{self, Rustc},
    command, setup,
    test::timed,
};

/// What `cargo fuzz -s none` has rustc do: count the ways through the code. No sanitizer,
/// since those want a nightly toolchain and look for what safe Rust doesn't do.
/// <https://github.com/rust-fuzz/cargo-fuzz/blob/0.13.2/src/project.rs>
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// An input that takes longer, in seconds, or more memory, in MiB, is a finding.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

/// Runs `targets`, or all where none is named, each for `seconds`; fails where one finds
/// something.
pub(crate) fn fuzz(targets: &[String], seconds: u32) -> Result<()> {
    let targets = chosen(targets)?;
    setup::ensure()?;
    let rustc = Rustc::ask()?;
    timed("build the fuzzer", || build(&rustc))?;
    let at_once = thread::available_parallelism().map_or(1, |cores| cores.get());
    let mut found = Vec::new();
    for some in targets.chunks(at_once) {
        let running: Vec<Run> =
            some.iter().map(|name| Run::start(&rustc, name, seconds)).collect::<Result<_>>()?;
        for run in running {
            let name = run.name.clone();
            match run.end() {
                Ok(said) => println!("{name}: {said}"),
                Err(err) => {
                    println!("{err:#}");
                    found.push(name);
                }
            }
        }
    }
    if !found.is_empty() {
        bail!("input that breaks a rule: {} (kept, see fuzz/README.md)", found.join(", "));
    }
    Ok(())
}

fn folder() -> PathBuf {
    cargo::root().join("fuzz")
}

/// The targets that are there, or those of them that are named.
fn chosen(named: &[String]) -> Result<Vec<String>> {
    let sources = folder().join("fuzz_targets");
    let mut all = Vec::new();
    for entry in fs::read_dir(&sources).with_context(|| format!("list {}", sources.display()))? {
        all.extend(entry?.path().file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    all.sort();
    if let Some(unknown) = named.iter().find(|name| !all.contains(name)) {
        bail!("fuzz {unknown}: there is no such target (there are {})", all.join(", "));
    }
    Ok(if named.is_empty() { all } else { named.to_vec() })
}

fn build(rustc: &Rustc) -> Result<()> {
    // libFuzzer's own half is C++. The variable is cc's, which libfuzzer-sys builds it with.
    if env::var_os("CXX").is_none() && command::find("c++").is_none() {
        bail!("find a C++ compiler as c++ on the PATH: not there (install g++, or set CXX)");
    }
    let mut build = cargo::cargo();
    build
        .current_dir(folder())
        .args(["build", "--release", "--bins", "--target", &rustc.host])
        .arg("--target-dir")
        .arg(target_folder())
        .env("RUSTFLAGS", COVERAGE);
    command::run(cargo::without_kernel_side(&mut build))
}

/// Apart from the rest: everything is compiled for coverage.
fn target_folder() -> PathBuf {
    cargo::target_folder().join("fuzz")
}

/// A target that is running.
struct Run {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Run {
    fn start(rustc: &Rustc, name: &str, seconds: u32) -> Result<Self> {
        let program = target_folder().join(&rustc.host).join("release").join(name);
        // The first folder takes what the fuzzer learns; what it finds is kept in the tree.
        let learned = target_folder().join("corpus").join(name);
        let seeds = folder().join("corpus").join(name);
        let kept = folder().join("regressions").join(name);
        for folder in [&learned, &kept] {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let log = target_folder().join(format!("{name}.log"));
        let mut command = Command::new(program);
        command.args(LIMITS).arg("-print_final_stats=1");
        command.arg(format!("-max_total_time={seconds}"));
        command.arg(format!("-artifact_prefix={}/", kept.display()));
        command.args([learned, seeds, kept]);
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = command
            .stdout(file.try_clone().context("use a log for both outputs")?)
            .stderr(file)
            .spawn()
            .with_context(|| command::show(&command))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// Waits for its end and gives what it did in a few words.
    fn end(mut self) -> Result<String> {
        let status = self.child.wait().with_context(|| format!("wait for {}", self.name))?;
        let said = read(&self.log)?;
        if !status.success() {
            bail!("{}: {status}\n{}", self.name, tail(&said, 40));
        }
        Ok(summary(&said))
    }
}

fn read(log: &Path) -> Result<String> {
    // The input is shown in it, whatever bytes it has.
    let bytes = fs::read(log).with_context(|| format!("read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// How often it ran and how far it came, from what libFuzzer prints at its end.
fn summary(said: &str) -> String {
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let covered = (said.lines().rev())
        .find_map(|line| line.split_once(" cov: ")?.1.split_whitespace().next());
    let [runs, covered] = [runs, covered].map(|figure| figure.unwrap_or("?").trim());
    format!("{runs} runs, {covered} places reached")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_summed_up_by_its_last_figures() {
        let said = "#2\tINITED cov: 100 ft: 101 corp: 1/1b\n#9\tDONE   cov: 256 ft: 400\n\
            Done 9 runs in 1 second(s)\nstat::number_of_executed_units: 9\n";
        assert_eq!(summary(said), "9 runs, 256 places reached");
        assert_eq!(summary(""), "? runs, ? places reached");
    }

    #[test]
    fn every_target_is_in_the_crates_list() {
        let manifest = fs::read_to_string(folder().join("Cargo.toml")).unwrap();
        let targets = chosen(&[]).unwrap();
        for name in &targets {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    }

    #[test]
    fn a_target_that_is_not_there_is_a_clear_error() {
        let error = chosen(&["none".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("fuzz none: there is no such target (there are btf, "),
            "{error}"
        );
    }
}
