//! `cargo xtask soak`: the agent under churn for minutes or hours.

use std::process::Command;

use anyhow::Result;

use crate::{
    cargo::{self, Rustc},
    command, root, setup, test,
};

/// Builds as for the tests and runs the soak as root for `minutes`.
pub(crate) fn soak(minutes: u32) -> Result<()> {
    setup::ensure()?;
    let built = test::timed("build", || test::build(&Rustc::ask()?))?;
    let soak = cargo::soak_test(&built)?.display().to_string();
    let mut words = root::prefix(&["-E"], "the soak loads eBPF programs: run this as root")?;
    words.push(soak);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        // Its own judgement is tested with the others.
        .args(["--include-ignored", "--nocapture", "--test-threads=1"])
        .env("NGRAPH_SOAK_SECONDS", (u64::from(minutes) * 60).to_string())
        .env("NGRAPH_MUST_RUN", "1");
    test::timed(&format!("soak, {minutes} min"), || command::run(&mut command))
}
