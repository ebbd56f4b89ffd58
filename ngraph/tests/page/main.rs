//! The page in a real browser: samples of it, and what a person or a hostile name can do there.
//!
//! `cargo test -p ngraph --test page samples` writes the samples to `target/page`, to be opened
//! in any browser. The others need a Chromium, which `cargo xtask test` brings.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod hears;
mod hostile;
mod large;
mod looks;
mod reads;
mod samples;
mod saves;
mod view;

use std::{
    fs,
    path::{Path, PathBuf},
};

use ngraph::picture::page::{Document, html};

#[test]
fn samples_are_written_for_people_to_open() {
    for (name, document) in samples::all() {
        assert!(sample(name, &document).is_file());
    }
}

/// The browser, else says that the test is skipped.
fn chromium() -> Option<PathBuf> {
    support::tools::tool("NGRAPH_CHROMIUM")
}

/// Writes a sample's page; gives back where it is.
fn sample(name: &str, document: &Document) -> PathBuf {
    let file = artifact(&format!("{name}.html"));
    // Tests that run at the same time never see half of it.
    let part = file.with_extension(format!("{:?}", std::thread::current().id()));
    fs::write(&part, html(document)).unwrap();
    fs::rename(part, &file).unwrap();
    file
}

/// The place of a file that is kept to be looked at.
fn artifact(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/page");
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap().join(name)
}
