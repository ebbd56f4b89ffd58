//! The file in the loop: what is shown, and what the agent tells of itself.

use std::time::Instant;

use anyhow::Result;

use super::{Agent, meter, state::State};
use crate::{
    clock,
    config::Format,
    export,
    flow::Role,
    graph::{PerRole, View},
    health::Health,
};

impl Agent {
    pub(super) fn view(&mut self) -> View {
        let now = clock::since_boot();
        self.names.collect(now);
        let Self { state, names, .. } = self;
        state.graph.file(now, |peer| names.ask(peer, now))
    }

    pub(super) fn file(&mut self) -> Result<()> {
        let start = Instant::now();
        self.drain();
        let view = self.view();
        let health = self.health();
        let text = match self.config.format {
            Format::Prom => export::prometheus(&view, &health),
            Format::Json => export::json::json(&view, &health)?,
        };
        if self.sink.write(&text)? {
            self.state.file_written();
        }
        self.write_took = start.elapsed();
        Ok(())
    }

    pub(super) fn health(&self) -> Health {
        let hooks = self.read_counts();
        let unseen = hooks.unseen(self.captured.hooks.flags());
        let tracer = self.captured.tracer.as_ref();
        let State { graph, events, malformed, repairs, .. } = &self.state;
        Health {
            attached: self.captured.hooks.flags(),
            hooks,
            events: *events,
            malformed: *malformed,
            unseen,
            repaired_opens: repairs.opened,
            repaired_closes: repairs.closed,
            snapshot_seconds: self.snapshot_took.as_secs_f64(),
            write_seconds: self.write_took.as_secs_f64(),
            write_failures: self.sink.failures,
            live: PerRole::from_fn(|role: Role| graph.open(role)),
            edges: PerRole::from_fn(|role| graph.edges(role) as u64),
            folded: PerRole::from_fn(|role| graph.folded(role)),
            programs: tracer.map(|tracer| tracer.program_runs()).unwrap_or_default(),
            process: meter::process_use(),
            written_at: clock::unix_seconds(),
            kernel: self.kernel.clone(),
        }
    }
}
