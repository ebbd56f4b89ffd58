//! `cargo xtask bench`: what tracing costs, with the agent and with its peers.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{
    cargo::{self, Rustc},
    command, dist, peers, root, test,
};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure how cost grows with load instead
    #[arg(value_parser = ["growth"])]
    series: Option<String>,
    /// Another tracer; each of its lines is taken for an end of a connection
    #[arg(long = "peer", value_name = "NAME=PATH")]
    peers: Vec<String>,
    /// Times that each figure is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// The agent alone
    #[arg(long)]
    no_peers: bool,
    /// Arguments of ngraph-bench: --seconds, --parts, ...
    #[arg(last = true)]
    args: Vec<String>,
}

/// Builds agent and load generator, brings the peers, measures as root.
pub(crate) fn bench(options: &Options) -> Result<()> {
    let agent = dist::build()?;
    let mut build = cargo::cargo_static("build", &Rustc::ask()?.host);
    let built = cargo::executables(build.args(["--package", "ngraph-bench"]))?;
    let bench = cargo::bench(&built)?.display().to_string();
    let series = options.series.as_deref();

    let mut words = root::prefix(&[], "tracers load eBPF programs: run this as root")?;
    words.push(bench);
    words.push(if series.is_some() { "growth" } else { "measure" }.to_owned());
    words.extend(["--agent".to_owned(), agent.display().to_string()]);
    words.extend(["--rounds".to_owned(), options.rounds.to_string()]);
    if series.is_none() && !options.no_peers {
        words.extend(test::timed("bring peers", peers::words)?);
    }
    words.extend(options.peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.clone()]));
    let folder = cargo::target_folder().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let json = folder.join(format!("{}.json", series.unwrap_or("bench")));
    words.extend(["--json".to_owned(), json.display().to_string()]);
    words.extend_from_slice(&options.args);
    command::run(Command::new(&words[0]).args(&words[1..]))?;
    println!("{}", json.display());
    Ok(())
}
