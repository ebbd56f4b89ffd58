//! What is measured, in which order; each figure is a file of its own.

mod delay;
mod growth;
mod idle;
mod memory;
mod saturation;
mod snapshots;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::{netns, results::Results, run_times::RunTimes, tracefs, tracer::Tracer};

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The agent
    #[arg(long, value_name = "PATH")]
    agent: PathBuf,
    /// Another tracer; tcplife, tcpstates, bpftrace and ss are known by name
    #[arg(long = "peer", value_name = "NAME=PATH")]
    peers: Vec<Tracer>,
    /// Folders of libraries that peers need, with colons between
    #[arg(long, value_name = "FOLDERS")]
    libraries: Option<String>,
    /// Times that each figure is measured
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// How long each run with short connections takes
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How long idleness is watched
    #[arg(long, default_value_t = 30.0)]
    idle_seconds: f64,
    /// Figures to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["saturation", "delay", "memory", "snapshots", "idle"])]
    parts: Vec<Part>,
    /// Where to write the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A group of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// As many short connections as there can be
    Saturation,
    /// How long a connection takes to its place in the live set
    Delay,
    /// Resident memory, and files with many edges
    Memory,
    /// What a snapshot costs
    Snapshots,
    /// What waiting costs
    Idle,
}

impl Options {
    fn agent(&self, more: &[&str]) -> Tracer {
        Tracer::agent(self.agent.clone(), more)
    }
}

/// Measures all figures that are asked for.
pub(crate) fn measure(options: &Options) -> Result<()> {
    with_results(options, |results| {
        for part in &options.parts {
            match part {
                Part::Saturation => saturation::measure(options, results)?,
                Part::Delay => delay::measure(options, results)?,
                Part::Memory => memory::measure(options, results)?,
                Part::Snapshots => snapshots::measure(options, results)?,
                Part::Idle => idle::measure(options, results)?,
            }
        }
        Ok(())
    })
}

/// Measures the same at growing loads.
pub(crate) fn growth(options: &Options) -> Result<()> {
    with_results(options, |results| growth::measure(options, results))
}

/// What was measured before something failed is told all the same.
fn with_results(options: &Options, measure: impl FnOnce(&mut Results) -> Result<()>) -> Result<()> {
    netns::enter_new()?;
    let mut results = Results::default();
    if let Err(err) = tracefs::mount_if_missing() {
        results.note(format!("peers that need the kernel's tracing files are left out: {err:#}"));
    }
    if RunTimes::are_always_kept() {
        results.note(
            "kernel.bpf_stats_enabled is 1: rates and times include keeping it (set it to 0)"
                .to_owned(),
        );
    }
    let measured = measure(&mut results);
    println!("{}", results.table());
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", results.json());
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    measured
}
