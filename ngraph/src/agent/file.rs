//! The file in the loop: what is shown, and what the agent tells of itself.

use std::time::Instant;

use anyhow::Result;
use ngraph_common::{count, limits};

use super::{Agent, LIVE_PER_SOCKET, capture, meter, state::State};
use crate::{
    clock,
    config::{Config, Format},
    export,
    flow::{NetnsId, Role},
    graph::{PerRole, View},
    health::{Capacity, HOOKS, Health, HookCounts},
    snapshot::opens,
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
        self.audit();
        let view = self.view();
        let health = self.health();
        let text = match self.config.format {
            Format::Prom => export::prometheus(&view, &health),
            Format::Json => export::json::json(&view, &health)?,
        };
        let is_written = self.sink.write(&text)?;
        if is_written {
            self.state.file_written();
        }
        self.service.tell_of_file(is_written, &self.status(&health));
        self.write_took = start.elapsed();
        Ok(())
    }

    /// A line of how it goes.
    fn status(&self, health: &Health) -> String {
        if let Some(trouble) = self.sink.trouble() {
            return format!("no file: {trouble}");
        }
        let Health { live, edges, hooks, malformed, .. } = health;
        let (inbound, outbound) = (live.of(Role::Inbound), live.of(Role::Outbound));
        let edges = edges.of(Role::Inbound) + edges.of(Role::Outbound);
        let lost = malformed + hooks.sum(count::RING_FULL) + hooks.sum(count::MAP_FULL);
        format!("open: {inbound} in, {outbound} out; edges: {edges}; events lost: {lost}")
    }

    /// Reads the kernel's own counts, of the namespaces that the last snapshot saw and the hooks
    /// tell of: without BTF that's the agent's own alone.
    fn audit(&mut self) {
        let root = &self.config.procfs;
        let own = self.captured.reading.alias.map(|(_, own)| own);
        let is_told = |netns| own.is_none_or(|own| own == netns);
        let read = |(&netns, process): (&NetnsId, &String)| {
            // A process that has ended leaves it to the next snapshot to find another.
            opens::read(root, process, netns).ok().map(|opens| (netns, opens))
        };
        let processes = self.processes.iter().filter(|(netns, _)| is_told(**netns));
        let opens: Vec<_> = processes.filter_map(read).collect();
        let counts = self.read_counts();
        let is_at_rest = counts.in_flight() == 0 && counts.told() == self.state.received();
        for (netns, opens) in opens {
            self.state.audit.read(netns, opens, is_at_rest);
        }
    }

    fn attached(&self) -> [Option<bool>; HOOKS] {
        let hooks = self.captured.hooks;
        std::array::from_fn(|hook| {
            let hook = hook as u8;
            capture::is_needed(hook).then(|| hooks.has(hook))
        })
    }

    pub(super) fn health(&self) -> Health {
        let hooks = self.read_counts();
        let unseen = hooks.unseen(self.captured.hooks.flags());
        let tracer = self.captured.tracer.as_ref();
        let State { graph, events, overflowed, audit, malformed, repairs, .. } = &self.state;
        Health {
            attached: self.attached(),
            hooks,
            events: *events,
            overflowed: *overflowed,
            audit: audit.lines(),
            capacities: self.capacities(&hooks),
            malformed: *malformed,
            unseen,
            repaired_opens: repairs.opened,
            repaired_closes: repairs.closed,
            snapshots: self.snapshots,
            tables_read: self.tables_read,
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

    /// Everything that takes memory as traffic wants it, and its bound.
    fn capacities(&self, hooks: &HookCounts) -> Vec<Capacity> {
        let Config { max_edges, ring_bytes, .. } = self.config;
        let sockets = capture::sock_entries(&self.config);
        let graph = &self.state.graph;
        let folded = Role::ALL.into_iter().map(|role| graph.folded(role)).sum();
        let unnamed = hooks.sum(count::UNNAMED) + hooks.sum(count::MAP_FULL);
        let names = self.names.stats();
        [
            ("edges", max_edges as u64, folded),
            ("live", u64::from(sockets) * LIVE_PER_SOCKET, self.state.turned_away()),
            ("names", names.most as u64, names.crowded),
            ("overflow", limits::OVERFLOW_ENTRIES.into(), hooks.sum(count::RING_FULL)),
            ("ring_bytes", ring_bytes.into(), hooks.sum(count::OVERFLOWED)),
            ("sockets", sockets.into(), unnamed),
        ]
        .map(|(of, most, reached)| Capacity { of, most, reached })
        .into()
    }
}
