//! What is made of many hosts' files: Prometheus' rules, the dashboard, and a fleet for real.
//!
//! The rules' own tests need promtool. A fleet needs root, network namespaces with a bridge,
//! node_exporter and Prometheus. `cargo xtask test` brings the programs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod rules;

use std::path::PathBuf;

/// A folder of what is there to be deployed.
fn deploy(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(folder)
}
