//! Resident memory, and what a file with many edges takes.

use std::{thread, time::Duration};

use anyhow::Result;

use super::Options;
use crate::{generator::Holding, proc, results::Results, running::Running};

const MB: f64 = 1e6;

/// Edges in both directions together, as each address of the load makes one of each.
const EDGES: u64 = 10_000;

/// Resident memory idle, with connections, with edges. Connections are ends of connections, as
/// the agent counts them: each of the load's has both here.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    for round in 1..=options.rounds {
        eprintln!("memory, round {round} of {}", options.rounds);
        let idle = Running::start(&options.agent(&[]), None)?;
        thread::sleep(Duration::from_secs(1));
        let (resident, peak) = proc::memory(idle.pid())?;
        results.add("resident memory, MB", "idle", resident as f64 / MB);
        results.add("resident memory, MB", "peak while it starts", peak as f64 / MB);
        drop(idle);

        for live in [10_000, 100_000] {
            let (running, _held) = with_connections(options, live, 1)?;
            let (resident, peak) = proc::memory(running.pid())?;
            results.add("resident memory, MB", &format!("{live} live"), resident as f64 / MB);
            results.add("resident memory, MB", &format!("{live} live, peak"), peak as f64 / MB);
        }

        let (running, _held) = with_connections(options, EDGES, EDGES / 2)?;
        let (resident, _) = proc::memory(running.pid())?;
        results.add("resident memory, MB", &format!("{EDGES} edges"), resident as f64 / MB);
        let samples = running.next_samples()?;
        let took = samples.sum("ngraph_write_duration_seconds", "").unwrap_or(0.0);
        results.add("file, ms", &format!("{EDGES} edges"), took * 1e3);
    }
    Ok(())
}

/// An agent that has seen so many ends of connections open, and a file and a snapshot since.
pub(super) fn with_connections(
    options: &Options,
    live: u64,
    addresses: u64,
) -> Result<(Running, Holding)> {
    let running = Running::start(&options.agent(&["--snapshot-interval", "1"]), None)?;
    proc::forget_peak(running.pid())?;
    let held = Holding::open(live / 2, addresses, 0)?;
    running.wait_for(|samples| samples.sum("ngraph_live_connections", "") == Some(live as f64))?;
    // The snapshot that follows the file is in the one after it.
    running.next_samples()?;
    Ok((running, held))
}
