//! As many connections as there can be: with nothing, the agent, each peer, one after the other.

use std::{thread, time::Duration};

use anyhow::Result;

use super::Options;
use crate::{
    generator,
    load::Report,
    proc::{self, BpfUse},
    results::Results,
    run_times::RunTimes,
    running::Running,
    tracer::Tracer,
};

/// After a load, until a tracer has worked off what it has in hand.
const SETTLE: Duration = Duration::from_millis(1500);

/// Every tracer's run stands between two without any, which it is compared with: what else the
/// machine does changes from one minute to the next.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    let mut tracers = vec![options.agent(&[])];
    tracers.extend(options.peers.clone());
    let mut before = bare(options, results)?;
    for round in 1..=options.rounds {
        tracers.retain(|tracer| {
            eprintln!("round {round} of {}: {}", options.rounds, tracer.name);
            let traced = match traced(options, tracer, results) {
                Ok(traced) => traced,
                // A peer may not work on this kernel; the agent has to.
                Err(err) => {
                    results.note(format!("{} is left out: {err:#}", tracer.name));
                    return false;
                }
            };
            if let Ok(after) = bare(options, results) {
                let untraced = (before.rate() + after.rate()) / 2.0;
                results.add("rate, traced / untraced", &tracer.name, traced.rate() / untraced);
                before = after;
            }
            true
        });
    }
    Ok(())
}

fn bare(options: &Options, results: &mut Results) -> Result<Report> {
    let report = generator::run(&["--seconds", &options.seconds.to_string()])?;
    tell(results, "bare", &report);
    Ok(report)
}

fn tell(results: &mut Results, of: &str, report: &Report) {
    results.add("connections a second", of, report.rate());
    let quantiles =
        [("connect p50, us", report.connect_p50_us), ("connect p99, us", report.connect_p99_us)];
    for (name, value) in quantiles {
        if let Some(value) = value {
            results.add(name, of, value);
        }
    }
}

fn traced(options: &Options, tracer: &Tracer, results: &mut Results) -> Result<Report> {
    let name = &tracer.name;
    let running =
        Running::start(tracer, options.libraries.as_deref().filter(|_| tracer.ends.is_some()))?;
    if tracer.ends.is_none() {
        results.add("time to first file, ms", name, running.ready_after.as_secs_f64() * 1e3);
    }
    let opens = proc::passive_opens()?;
    let cpu = proc::cpu(running.pid())?;
    let report = generator::run(&["--seconds", &options.seconds.to_string()])?;
    thread::sleep(SETTLE);
    let cpu = proc::cpu(running.pid())?.saturating_sub(cpu);
    let thousands = report.connections as f64 / 1e3;

    // In a run of its own: keeping run times costs every run of a program.
    let (again, programs) = in_programs(&running, options.seconds / 2.0)?;
    thread::sleep(SETTLE);
    let opens = proc::passive_opens()? - opens;
    let seen = match tracer.ends {
        None => running.next_samples()?.opened_inbound(),
        Some(_) => 0.0,
    };
    let seen = running
        .stop(&[again.ports.clone(), report.ports.clone()].concat())?
        .map_or(seen, |ends| ends as f64 / 2.0);

    tell(results, name, &report);
    results.add("own CPU, ms for 1,000 connections", name, cpu.as_secs_f64() * 1e3 / thousands);
    if programs.runs > 0 {
        let each = |count: u64| count as f64 / again.connections.max(1) as f64;
        results.add("in BPF programs, us for a connection", name, each(programs.ns) / 1e3);
        results.add("runs of BPF programs for a connection", name, each(programs.runs));
    }
    results.add("captured / kernel's own count", name, seen / opens as f64);
    Ok(report)
}

/// A load, and what a tracer's programs did for it.
fn in_programs(running: &Running, seconds: f64) -> Result<(Report, BpfUse)> {
    let _kept = RunTimes::keep()?;
    let before = proc::bpf(running.pid())?;
    let report = generator::run(&["--seconds", &seconds.to_string()])?;
    let after = proc::bpf(running.pid())?;
    Ok((report, BpfUse { ns: after.ns - before.ns, runs: after.runs - before.runs }))
}
