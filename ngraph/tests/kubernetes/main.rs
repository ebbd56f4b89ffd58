//! What is there for Kubernetes: rendered by its own tools, held against its own schemas, and run.
//!
//! `cargo xtask test` brings kubectl, helm, the schemas, podman, and what takes an image.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod agent;
mod chart;
mod images;
mod manifests;
mod page;
mod podman;
mod pods;
mod render;
mod schemas;

use std::path::PathBuf;

/// A path below the project's folder.
fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}
