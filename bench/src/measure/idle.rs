//! What waiting costs: the agent as it is by default, with connections that do nothing.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::Options;
use crate::{generator::Holding, proc, results::Results, running::Running, tracer::Tracer};

/// Ends of connections that are open.
const LIVE: u64 = 100;

/// Own time in percent of a processor, and how often it wakes up.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    eprintln!("idle, {} s", options.idle_seconds);
    let _held = Holding::open(LIVE / 2, 1, 0)?;
    let agent = Tracer { args: vec!["--no-resolve".to_owned()], ..options.agent(&[]) };
    let running = Running::start(&agent, None)?;
    thread::sleep(Duration::from_secs(2));
    let (cpu, woken) = (proc::cpu(running.pid())?, proc::wake_ups(running.pid())?);
    let start = Instant::now();
    thread::sleep(Duration::from_secs_f64(options.idle_seconds));
    let used = proc::cpu(running.pid())?.saturating_sub(cpu);
    let (woken, seconds) = (proc::wake_ups(running.pid())? - woken, start.elapsed().as_secs_f64());
    let share = used.as_secs_f64() / seconds;
    results.add("CPU idle, % of a processor", "ngraph, 15 s interval", share * 100.0);
    results.add("wake-ups idle, a second", "ngraph, 15 s interval", woken as f64 / seconds);
    Ok(())
}
