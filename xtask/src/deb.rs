//! `cargo xtask deb`: the agent as Debian's package, installed and purged once.

use anyhow::{Result, bail};

use crate::{
    cargo::{self, Rustc},
    command, dist, root, test,
};

/// Makes `target/dist/ngraph.deb` of what `dist` makes, and tests it.
pub(crate) fn deb() -> Result<()> {
    if command::find("cargo-deb").is_none() {
        bail!("find cargo-deb on the PATH: not there (cargo install --locked cargo-deb)");
    }
    let sudo = root::prefix(&["-E"], "the package's test boots a systemd: run this as root")?;
    dist::dist()?;
    let package = cargo::root().join("target/dist/ngraph.deb");
    let mut make = cargo::cargo();
    // What is installed is what `dist` has made: static, and with its pages.
    make.args(["deb", "--quiet", "--no-build", "--no-strip", "--package", "ngraph", "--output"]);
    command::run(make.arg(&package))?;
    let mut install = cargo::cargo();
    install.args(["test", "--package", "ngraph", "--test", "systemd", "--", "deb::"]);
    install.env("NGRAPH_DEB", &package).env("NGRAPH_MUST_RUN", "1");
    if !sudo.is_empty() {
        let target = Rustc::ask()?.host.to_uppercase().replace('-', "_");
        install.env(format!("CARGO_TARGET_{target}_RUNNER"), sudo.join(" "));
    }
    test::timed("install and purge", || command::run(&mut install))?;
    println!("{}", package.display());
    Ok(())
}
