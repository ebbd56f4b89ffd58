//! How cost grows with load: rates, open connections, namespaces.

use std::{thread, time::Duration};

use anyhow::Result;

use super::{Options, memory, snapshots};
use crate::{
    generator::{self, Holding},
    proc,
    results::Results,
    run_times::RunTimes,
    running::Running,
    stats::median,
};

/// The share of a rate that has to be reached for it to be one; the first that isn't is the last.
const REACHED: f64 = 0.9;

/// All of them.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    rates(options, results)?;
    live(options, results)?;
    namespaces(options, results)
}

fn rates(options: &Options, results: &mut Results) -> Result<()> {
    let running = Running::start(&options.agent(&[]), None)?;
    let _kept = RunTimes::keep()?;
    for rate in (0..7).map(|doublings| 1_000 << doublings) {
        eprintln!("{rate} connections a second");
        let (pid, opens) = (running.pid(), proc::passive_opens()?);
        let (cpu, ns) = (proc::cpu(pid)?, proc::bpf(pid)?.ns);
        let seen = running.next_samples()?.opened_inbound();
        let [seconds, wanted] = [options.seconds.to_string(), rate.to_string()];
        let report = generator::run(&["--seconds", &seconds, "--rate", &wanted])?;
        thread::sleep(Duration::from_millis(500));
        let cpu = proc::cpu(pid)?.saturating_sub(cpu).as_secs_f64() / report.seconds;
        let ns = (proc::bpf(pid)?.ns - ns) as f64 / report.seconds;
        let captured = running.next_samples()?.opened_inbound() - seen;
        let opens = proc::passive_opens()? - opens;
        results.grow("connections a second: own CPU, ms a second", report.rate(), cpu * 1e3);
        results.grow("connections a second: in BPF programs, ms a second", report.rate(), ns / 1e6);
        let of = format!("{} a second", report.rate().round());
        results.add("captured / kernel's own count", &of, captured / opens as f64);
        if report.rate() < rate as f64 * REACHED {
            results.note(format!("this machine makes no {rate} connections a second"));
            break;
        }
    }
    Ok(())
}

fn live(options: &Options, results: &mut Results) -> Result<()> {
    let idle = {
        let (running, _held) = memory::with_connections(options, 2, 1)?;
        proc::memory(running.pid())?.0
    };
    for live in (0..=10).map(|doublings| 100 << doublings) {
        eprintln!("{live} live connections");
        let (running, _held) = memory::with_connections(options, live, 1)?;
        let more = proc::memory(running.pid())?.0.saturating_sub(idle);
        results.grow("live connections: memory above none, MB", live as f64, more as f64 / 1e6);
        drop(running);
        let costs = snapshots::cost(options, "auto", false)?;
        let cost = median(&costs).unwrap_or(0.0);
        results.grow("sockets: snapshot and file, ms of CPU", live as f64, cost);
    }
    Ok(())
}

fn namespaces(options: &Options, results: &mut Results) -> Result<()> {
    for namespaces in [1, 2, 5, 10, 20, 50, 100, 200] {
        eprintln!("{namespaces} namespaces");
        let _held = Holding::open(5, 1, namespaces)?;
        let costs = snapshots::cost(options, "auto", true)?;
        let cost = median(&costs).unwrap_or(0.0);
        results.grow("namespaces: snapshot and file, ms of CPU", namespaces as f64, cost);
    }
    Ok(())
}
