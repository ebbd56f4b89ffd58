//! A configuration file, by the real binary: what beats what, what is wrong, and SIGHUP.
//!
//! Where it's enough to know what was understood, an `--edge-ttl` below the interval has it told
//! by an error that names both, and no agent runs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod file;
mod reload;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use support::agent::{Agent, command};
use tempfile::TempDir;

const PROCFS: &str = "--capture=procfs";

/// A folder with a configuration file.
struct Written(TempDir);

impl Written {
    fn new(text: impl AsRef<[u8]>) -> Self {
        // Not where files are written to: the fence lets the agent read there anyway.
        let written = Self(TempDir::new_in("/var/tmp").unwrap());
        written.write(text);
        written
    }

    /// In the file's place, as editors and Kubernetes do.
    fn write(&self, text: impl AsRef<[u8]>) {
        let other = self.0.path().join("other");
        fs::write(&other, text).unwrap();
        fs::rename(other, self.path()).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ngraph.toml")
    }
}

/// An agent with this file and nothing else that the file has to beat, writing into a folder that
/// outlives it.
fn start_in(folder: &Path, file: &Written, args: &[&str]) -> Agent {
    let mut command = with(file.path().to_str().unwrap(), args);
    command.arg("--output").arg(folder);
    let agent = Agent::run(command, folder);
    agent.wait_for("the first file", |_| true);
    agent
}

/// The same in a folder of its own.
fn start(file: &Written, args: &[&str]) -> Agent {
    let config = file.path().display().to_string();
    let all: Vec<&str> = ["--config", &config].into_iter().chain(args.iter().copied()).collect();
    Agent::start_as_given(&all)
}

fn with(file: &str, args: &[&str]) -> std::process::Command {
    let mut command = command(&["--config", file]);
    command.args(args);
    command
}

/// The exit code and stderr.
fn ended(mut command: std::process::Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
