//! Measures the agent beside its peers; `cargo xtask bench` builds it all and calls this.

mod generator;
mod load;
mod measure;
mod netns;
mod proc;
mod prom;
mod results;
mod run_times;
mod running;
mod scale;
mod stats;
mod tracefs;
mod tracer;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Makes load, and measures what tracing it costs.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make TCP connections on loopback, and print what they came to as a line of JSON
    Load(load::Options),
    /// Measure the agent beside its peers
    Measure(measure::Options),
    /// Measure how the agent's cost grows with its load
    Growth(measure::Options),
    /// Feed a Prometheus the files of a simulated fleet, and measure what that takes
    Scale(scale::Options),
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let result = load::enter_namespace_if_told().and_then(|()| match verb {
        Verb::Load(options) => load::run(&options),
        Verb::Measure(options) => measure::measure(&options),
        Verb::Growth(options) => measure::growth(&options),
        Verb::Scale(options) => scale::measure(&options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("ngraph-bench: {err:#}");
            ExitCode::FAILURE
        }
    }
}
