//! `cargo xtask run`: builds the agent as the user and runs it as root.

use std::{env, os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{cargo, command, root, setup};

/// Builds the agent and becomes it, so that signals reach it and its exit code is ours.
pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::ensure()?;
    let built =
        cargo::executables(cargo::cargo().args(["build", "--release", "--package", "ngraph"]))?;
    let agent = cargo::agent(&built)?.display().to_string();

    // sudo drops the environment; the agent's own options are meant for it.
    let names: Vec<String> = env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("NGRAPH_"))
        .collect();
    let preserve = format!("--preserve-env={}", names.join(","));
    let options: &[&str] = if names.is_empty() { &[] } else { &[&preserve] };
    let mut words = root::prefix(options, &format!("run as root: {agent} {}", args.join(" ")))?;

    words.push(agent);
    words.extend_from_slice(args);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Err(command.exec()).with_context(|| command::show(&command))
}
