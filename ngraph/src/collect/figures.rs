//! What is known, for who shows it: the view of the edges, and the collector's own figures.

use ngraph_common::{count, limits};

use super::{Collector, LIVE_PER_SOCKET, capture, meter, state::State};
use crate::{
    clock,
    config::Config,
    flow::{NetnsId, Role},
    graph::{Graph, PerRole, View},
    health::{Capacity, HOOKS, Health, HookCounts},
    kernel::rcu,
    live::Follower,
    snapshot::opens,
};

/// Events that are gone or may be, by why, since the start.
pub type Losses = [(&'static str, u64); 5];

impl<F: Follower> Collector<F> {
    /// What was lost; of connections that weren't followed, the ends alone.
    pub fn losses(&self) -> Losses {
        let counts = self.read_counts();
        [
            ("malformed", self.state.malformed),
            ("map_full", counts.sum(count::MAP_FULL)),
            ("missed", counts.unseen(self.captured.hooks.flags())),
            ("not_followed", self.state.turned_away()),
            ("ring_full", counts.sum(count::RING_FULL)),
        ]
    }
}

impl<F: Follower> Collector<F> {
    /// What connections are captured by, in words.
    pub fn ways(&self) -> String {
        if self.captured.hooks.is_empty() {
            "/proc snapshots alone".to_owned()
        } else {
            self.captured.hooks.to_string()
        }
    }
}

impl Collector<Graph> {
    /// The edges, as a file shows them.
    pub fn view(&mut self) -> View {
        let now = clock::since_boot();
        self.names.collect(now);
        let Self { state, names, .. } = self;
        state.file(now, |peer| names.ask(peer, now))
    }

    /// The edges as they are at this moment, with the names that are known.
    pub fn present(&mut self) -> View {
        let now = clock::since_boot();
        self.names.collect(now);
        let Self { state, names, .. } = self;
        state.present(now, |peer| names.ask(peer, now))
    }

    /// Reads the kernel's own counts, of the namespaces that the last snapshot saw and the hooks
    /// tell of: without BTF that's the agent's own alone.
    pub fn audit(&mut self) {
        let root = &self.config.procfs;
        let own = self.captured.reading.alias.map(|(_, own)| own);
        let is_told = |netns| own.is_none_or(|own| own == netns);
        let read = |(&netns, process): (&NetnsId, &String)| {
            // A process that has ended leaves it to the next snapshot to find another.
            opens::read(root, process, netns).ok().map(|opens| (netns, opens))
        };
        let processes = self.processes.iter().filter(|(netns, _)| is_told(**netns));
        let opens: Vec<_> = processes.filter_map(read).collect();
        let is_at_rest = !self.state.audit.is_settled(&opens) && self.is_at_rest() && {
            // An inbound connection is counted a moment before it is told of: had one been counted
            // just now, it is told of after this.
            rcu::wait_for_readers();
            self.is_at_rest()
        };
        self.state.audit.read(&opens, is_at_rest);
    }

    /// Whether no attempt is on its way, and all that the kernel side told has been taken in.
    fn is_at_rest(&self) -> bool {
        let counts = self.read_counts();
        counts.in_flight() == 0 && counts.told() == self.state.received()
    }

    fn attached(&self) -> [Option<bool>; HOOKS] {
        let hooks = self.captured.hooks;
        std::array::from_fn(|hook| {
            let hook = hook as u8;
            capture::is_needed(hook).then(|| hooks.has(hook))
        })
    }

    /// The collector's own figures; what is written, and how that goes, the writer adds.
    pub fn health(&self) -> Health {
        let hooks = self.read_counts();
        let unseen = hooks.unseen(self.captured.hooks.flags());
        let tracer = self.captured.tracer.as_ref();
        let State { follower: graph, events, overflowed, audit, malformed, repairs, .. } =
            &self.state;
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
            translations: self.state.translations(),
            live: PerRole::from_fn(|role: Role| graph.open(role)),
            edges: PerRole::from_fn(|role| graph.edges(role) as u64),
            folded: PerRole::from_fn(|role| graph.folded(role)),
            programs: tracer.map(|tracer| tracer.program_runs()).unwrap_or_default(),
            process: meter::process_use(),
            written_at: clock::unix_seconds(),
            kernel: self.kernel.clone(),
            ..Health::default()
        }
    }

    /// Everything that takes memory as traffic wants it, and its bound.
    fn capacities(&self, hooks: &HookCounts) -> Vec<Capacity> {
        let Config { max_edges, ring_bytes, .. } = self.config;
        let sockets = capture::sock_entries(&self.config);
        let graph = &self.state.follower;
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
