//! What is made of many hosts' files: Prometheus' rules, the dashboard, and a fleet for real.
//!
//! The rules' own tests need promtool, the dashboard's Grafana's SDK. A fleet needs root, network namespaces with a bridge,
//! node_exporter and Prometheus. `cargo xtask test` brings the programs.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod dashboard;
mod edges;
mod grafana;
mod picture;
mod prometheus;
mod rules;
mod world;

use std::path::PathBuf;

use support::{is_root, skip, tools::tool};
use world::Programs;

/// A folder of what is there to be deployed.
fn deploy(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(folder)
}

/// What a fleet is made of; else says that the test is skipped.
fn programs() -> Option<Programs> {
    if !is_root() {
        skip("needs root, for network namespaces and eBPF");
        return None;
    }
    let (node_exporter, prometheus) = (tool("NGRAPH_NODE_EXPORTER")?, tool("NGRAPH_PROMETHEUS")?);
    Some(Programs { node_exporter, prometheus })
}
