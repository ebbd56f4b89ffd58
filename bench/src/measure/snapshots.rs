//! What a snapshot costs: the agent's own time in files with a snapshot each, less the same
//! without sockets.

use anyhow::Result;

use super::Options;
use crate::{generator::Holding, proc, prom::Samples, results::Results, running::Running};

/// How many snapshots an agent that takes one a second is watched for, each time.
const WINDOW: f64 = 3.0;

/// Connections in each of many namespaces.
const IN_A_NAMESPACE: u64 = 5;

/// The ways to take one: the portable one, and whatever the agent takes by itself.
const WAYS: [&str; 2] = ["procfs", "auto"];

/// At numbers of sockets, and of namespaces.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    for way in WAYS {
        let nothing = cost(options, way, false)?;
        let base = crate::stats::median(&nothing).unwrap_or(0.0);
        let mut tell = |of: String, costs: Vec<f64>| {
            for cost in costs {
                results.add("snapshot CPU, ms", &of, cost - base);
            }
        };
        for sockets in [1_000, 20_000, 80_000] {
            eprintln!("snapshots of {sockets} sockets, --capture {way}");
            let _held = Holding::open(sockets / 2, 1, 0)?;
            tell(format!("{sockets} sockets, {way}"), cost(options, way, false)?);
        }
        eprintln!("snapshots of 100 namespaces, --capture {way}");
        let _held = Holding::open(IN_A_NAMESPACE, 1, 100)?;
        tell(format!("100 namespaces, {way}"), cost(options, way, true)?);
    }
    Ok(())
}

/// Milliseconds of the agent's own time for a snapshot and the file after it.
pub(super) fn cost(options: &Options, way: &str, is_all: bool) -> Result<Vec<f64>> {
    let mut args = vec!["--capture", way, "--snapshot-interval", "1"];
    args.extend(is_all.then_some("--all"));
    let running = Running::start(&options.agent(&args), None)?;
    // Past the first ones, which are more work.
    running.next_samples()?;
    (0..options.rounds).map(|_| window(&running)).collect()
}

/// By the snapshots that there were and not by the time: a busy machine takes fewer a second.
fn window(running: &Running) -> Result<f64> {
    let first = snapshots(&running.next_samples()?);
    let before = proc::cpu(running.pid())?;
    let last = running.wait_for(|samples| snapshots(samples) >= first + WINDOW)?;
    let used = proc::cpu(running.pid())?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e3 / (snapshots(&last) - first))
}

fn snapshots(samples: &Samples) -> f64 {
    samples.sum("ngraph_snapshots_total", "").unwrap_or(0.0)
}
