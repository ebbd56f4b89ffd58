//! `cargo xtask deb`: the agent as Debian's package, installed and purged once.

use std::process::Command;

use anyhow::Result;

use crate::{cargo, command, crate_tool, dist, package};

/// The newest that its list of files was tried with.
const VERSION: &str = "3.8.0";

/// Makes `target/dist/ngraph.deb` of what `dist` makes, and tests it.
pub(crate) fn deb() -> Result<()> {
    let sudo = package::sudo()?;
    let tool = crate_tool::bring("cargo-deb", VERSION)?;
    dist::dist(None)?;
    let file = cargo::root().join("target/dist/ngraph.deb");
    let mut make = Command::new(tool);
    // What is installed is what `dist` has made: static, and with its pages.
    make.current_dir(cargo::root()).args(["deb", "--quiet", "--no-build", "--no-strip"]);
    make.args(["--package", "ngraph", "--output"]);
    command::run(make.arg(&file))?;
    package::test("deb", &file, &sudo)
}
