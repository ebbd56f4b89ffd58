//! What the kernel side counted, and how long its programs ran.

use anyhow::{Context as _, Result};
use ngraph_common::{count, names::PROGRAMS};

use super::Tracer;
use crate::health::{HookCounts, ProgramRuns};

impl Tracer {
    /// The kernel side's counters, summed over the processors.
    ///
    /// # Errors
    /// Where the map can't be read.
    pub fn counts(&self) -> Result<HookCounts> {
        let mut counts = HookCounts::default();
        for (hook, row) in (0u8..).zip(&mut counts.0) {
            for (column, sum) in (0u32..).zip(row) {
                let values = (self.counters.get(&count::index(hook, column), 0))
                    .context("read the map COUNTERS")?;
                *sum = values.iter().sum();
            }
        }
        Ok(counts)
    }

    /// Run times of the attached programs; empty where the kernel doesn't keep them.
    pub fn program_runs(&self) -> Vec<ProgramRuns> {
        let mut all = Vec::new();
        for name in PROGRAMS {
            let info = self.ebpf.program(name).and_then(|program| program.info().ok());
            if let Some(info) = info.filter(|info| info.run_count() > 0) {
                let seconds = info.run_time().as_secs_f64();
                all.push(ProgramRuns { name, seconds, runs: info.run_count() });
            }
        }
        all
    }
}
