//! `ngraph graph` as a user runs it: files in, a picture out.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/golden.rs"]
#[allow(unreachable_pub, reason = "shared with other tests")]
mod golden;
#[path = "../support/mod.rs"]
mod support;

mod docs;
mod formats;
mod inputs;
mod large;
mod prometheus;
mod selection;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
};

use support::agent::command;

/// Three hosts' files.
fn fleet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fleet")
}

/// What `ngraph graph` prints; anything but success fails the test.
fn drawn(args: &[&str]) -> String {
    let output = graph(args, b"");
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What `ngraph graph` says when it fails.
fn refused(args: &[&str], stdin: &[u8]) -> String {
    let output = graph(args, stdin);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{args:?}");
    text(&output.stderr)
}

fn graph(args: &[&str], stdin: &[u8]) -> Output {
    let mut child = start(args);
    // It may end without having read it all.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn start(args: &[&str]) -> Child {
    let mut command = command(&["graph"]);
    // The servers of these tests are here, and no proxy knows them.
    command.args(args).current_dir(fleet()).env("NO_PROXY", "*");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
