//! `cargo xtask bench`: what tracing costs, with the agent and with its peers; and what a fleet
//! takes of Prometheus.

use std::{fs, process::Command};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::{
    cargo::{self, Rustc},
    command, dist, peers, root, test, tools,
};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure something else instead
    #[arg(value_enum)]
    series: Option<Series>,
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

/// What can be measured instead of the agent beside its peers.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Series {
    /// How cost grows with load
    Growth,
    /// What a fleet of simulated hosts takes of Prometheus
    Scale,
}

/// Builds agent and load generator, brings the peers, measures as root.
pub(crate) fn bench(options: &Options) -> Result<()> {
    let agent = dist::build(None)?;
    let mut build = cargo::cargo_static("build", cargo::RELEASE, &Rustc::ask()?.host);
    let built = cargo::executables(build.args(["--package", "ngraph-bench"]))?;
    let bench = cargo::bench(&built)?.display().to_string();
    let mut words = root::prefix(&[], "tracers load eBPF programs: run this as root")?;
    words.push(bench);
    let name = match options.series {
        None => "measure",
        Some(Series::Growth) => "growth",
        Some(Series::Scale) => "scale",
    };
    words.extend([name.to_owned(), "--agent".to_owned(), agent.display().to_string()]);
    match options.series {
        Some(Series::Scale) => words.extend(fleet()?),
        series => {
            words.extend(["--rounds".to_owned(), options.rounds.to_string()]);
            if series.is_none() && !options.no_peers {
                words.extend(test::timed("bring peers", peers::words)?);
            }
            words.extend(options.peers.iter().flat_map(|peer| ["--peer".to_owned(), peer.clone()]));
        }
    }
    let folder = cargo::target_folder().join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let json = folder.join(format!("{name}.json"));
    words.extend(["--json".to_owned(), json.display().to_string()]);
    words.extend_from_slice(&options.args);
    command::run(Command::new(&words[0]).args(&words[1..]))?;
    println!("{}", json.display());
    Ok(())
}

/// The words that tell `ngraph-bench` of a Prometheus and of the rules.
fn fleet() -> Result<Vec<String>> {
    let prometheus = tools::program("NGRAPH_PROMETHEUS")?;
    let rules = cargo::root().join("deploy/prometheus");
    let words = [("--prometheus", prometheus), ("--rules", rules)];
    Ok(words.map(|(word, path)| [word.to_owned(), path.display().to_string()]).concat())
}
