//! The unit: by systemd's own tools, and under a systemd of its own.
//!
//! Needs systemd's programs, which are not brought: they have to be the ones that run. A boot also
//! needs root, overlayfs and control groups of version 2.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod analyze;
mod deb;
mod machine;
mod package;
mod rpm;
mod service;

use std::{path::PathBuf, process::Command};

/// What is there to be deployed.
fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd").canonicalize().unwrap()
}

/// Whether a program of systemd's is there; else says that the test is skipped.
fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        support::skip_earned(&format!("this machine has no {program}"));
    }
    is_there
}

/// What a command says, which has to succeed.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}
