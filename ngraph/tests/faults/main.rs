//! What goes wrong around the agent, and what it makes of it: the real binary against full
//! disks, missing rights, missing BTF, dead resolvers, impatient readers.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod btf;
mod disk;
mod ending;
mod environment;
mod fence;
mod killed;
mod output;
mod privileges;
mod proc;
mod resolver;
mod second;
mod stdout;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

/// Whether the test can run here; says why not.
pub fn is_possible() -> bool {
    let is_root = support::is_root();
    if !is_root {
        support::skip("needs root");
    }
    is_root
}

/// Runs a command that ends by itself: its exit code, stdout and stderr.
pub fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The lines of a log that have `part` in them.
pub fn lines<'a>(log: &'a str, part: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(part)).collect()
}

/// What a user reads of a log by default: the lines of level info and above, but for the one
/// that tells of the fence, which depends on the kernel and not on what goes wrong.
pub fn told(log: &str) -> Vec<&str> {
    let is_told = |line: &&str| [" INFO ", " WARN ", " ERROR "].iter().any(|it| line.contains(it));
    log.lines().filter(is_told).filter(|line| !line.contains(" INFO fenced: ")).collect()
}
