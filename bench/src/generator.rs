//! The load generator as a process of its own, so that its work isn't the measuring's.

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use crate::load::{Report, read_report};

/// Runs a load to its end.
pub(crate) fn run(args: &[&str]) -> Result<Report> {
    let mut child = start(args)?;
    let report = read_report(&mut child).with_context(|| format!("load {}", args.join(" ")))?;
    child.wait().context("wait for a load's end")?;
    Ok(report)
}

/// Connections that come and go until this is dropped.
#[derive(Debug)]
pub(crate) struct Churning(Child);

impl Churning {
    /// So many a second, for a minute at most: it ends even where nobody drops it.
    pub(crate) fn start(rate: u64) -> Result<Self> {
        start(&["--rate", &rate.to_string(), "--seconds", "60"]).map(Self)
    }
}

impl Drop for Churning {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Connections that stay open until this is dropped.
#[derive(Debug)]
pub(crate) struct Holding(Child);

impl Holding {
    /// Opens `count` in each of `namespaces` (0: this one), over so many addresses.
    pub(crate) fn open(count: u64, addresses: u64, namespaces: u64) -> Result<Self> {
        let [count, addresses, namespaces] =
            [count, addresses, namespaces].map(|it| it.to_string());
        let mut child = start(&[
            "--rate=0",
            "--until-eof",
            "--held",
            &count,
            "--addresses",
            &addresses,
            "--namespaces",
            &namespaces,
        ])?;
        read_report(&mut child).with_context(|| format!("hold {count} connections"))?;
        Ok(Self(child))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> Result<Child> {
    let this = std::env::current_exe().context("find this program's own file")?;
    let mut command = Command::new(this);
    command.arg("load").args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().context("start the load generator")
}
