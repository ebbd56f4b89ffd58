//! A package is tested: a systemd of the test's own has it installed, runs it and has it removed.

use std::path::Path;

use anyhow::Result;

use crate::{
    cargo::{self, Rustc},
    command, root, test,
};

/// The words that make the test root, which has to be possible before anything is built.
pub(crate) fn sudo() -> Result<Vec<String>> {
    root::prefix(&["-E"], "the package's test boots a systemd: run this as root")
}

/// Runs the tests named after `kind` on `package`, which they find by the variable NGRAPH_`KIND`.
pub(crate) fn test(kind: &str, package: &Path, sudo: &[String]) -> Result<()> {
    let host = Rustc::ask()?.host;
    let mut install = cargo::cargo_static("test", cargo::TESTS, &host);
    // The workspace, since with other features its libraries would be built anew.
    install.args(["--workspace", "--test", "systemd", "--", &format!("{kind}::")]);
    install.env(format!("NGRAPH_{}", kind.to_uppercase()), package).env("NGRAPH_MUST_RUN", "1");
    if !sudo.is_empty() {
        install.env(cargo::variable(&host, "RUNNER"), sudo.join(" "));
    }
    test::timed("install and remove", || command::run(&mut install))?;
    println!("{}", package.display());
    Ok(())
}
