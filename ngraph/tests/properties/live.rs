//! The live set and the graph against a naive world.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ngraph::{
    flow::Flow,
    graph::{Answer, EdgeKey, EdgeRow, Graph, Limits, Peer},
    labels::{Label, Labels, Mark, Marker},
    live::{Change, Follower as _, LiveSet, Sight},
    snapshot::Snapshot,
};
use proptest::prelude::*;

use super::world::{Fate, SLOTS, Step, World, flow, role, steps};

/// What an event may meet with where some are lost.
const LOSSY: [Fate; 2] = [Fate::Lost, Fate::Counted];

/// The world, and the agent's part as `agent` does it.
struct Run {
    world: World,
    live: LiveSet,
    /// Every label there is: the sums over them are held against the truth.
    marker: Marker,
    graph: Graph,
    /// What is open and how often it opened, by the changes alone.
    shown: Shown,
    /// The snapshot in the making, and the slots that it has yet to read.
    snapshot: Option<(Snapshot, u8)>,
    /// Slots whose row this snapshot and the one before missed.
    missed: [u8; 2],
    is_first: bool,
    mended: u64,
    lost_before: u64,
}

#[derive(Default)]
struct Shown {
    open: BTreeSet<Flow>,
    opened: BTreeMap<Flow, u64>,
}

/// Counts of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    unique: u64,
    opened: u64,
}

type Edges = BTreeMap<EdgeKey, Counts>;

impl Run {
    /// The hooks are attached, and the first snapshot begins.
    fn start(states_speak: bool, older: u8) -> Self {
        let limits = Limits { max_edges: 100, edge_ttl: Duration::MAX, name_wait: Duration::ZERO };
        let mut run = Self {
            world: World::new(states_speak, older),
            live: LiveSet::new(1_000),
            marker: Marker::new(
                Labels::from([Label::Port, Label::Process, Label::Netns]),
                Box::new(()),
            ),
            graph: Graph::new(limits),
            shown: Shown::default(),
            snapshot: None,
            missed: [0, 0],
            is_first: true,
            mended: 0,
            lost_before: 0,
        };
        run.begin_snapshot();
        run
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open { slot, before, fate } => self.world.open(slot, before, fate),
            Step::Close { slot, fate } => {
                self.world.close(slot, fate);
            }
            Step::Accept { slot, fate } => self.world.accept(slot, fate),
            Step::Fail { slot } => self.world.fail(slot),
            Step::Drain => self.drain(),
            Step::BeginSnapshot => self.begin_snapshot(),
            Step::ReadRows { slots, missed } => self.read_rows(slots, missed),
            Step::Reconcile => self.reconcile(),
            Step::Snapshot { missed } => {
                self.begin_snapshot();
                self.read_rows(u8::MAX, missed);
                self.reconcile();
            }
            Step::Glance { unheld } => self.glance(unheld),
            // None is written before the first snapshot.
            Step::File if self.is_first => {}
            Step::File => self.file(),
        }
    }

    fn drain(&mut self) {
        let Self { world, live, graph, marker, shown, .. } = self;
        for observation in world.drain() {
            live.apply(observation, marker, |_, change| take(graph, shown, change));
        }
    }

    fn begin_snapshot(&mut self) {
        if self.snapshot.is_none() {
            self.lost_before = self.world.lost;
            self.drain();
            self.live.begin_snapshot(true);
            self.snapshot = Some((self.world.snapshot(), u8::MAX));
            self.missed = [0, self.missed[0]];
        }
    }

    /// Each slot is read once, so a snapshot shows no one moment. What the first one shows
    /// was there before, so the model has it miss nothing; and none misses a row twice.
    fn read_rows(&mut self, slots: u8, missed: u8) {
        let Some((snapshot, unread)) = &mut self.snapshot else {
            return;
        };
        let slots = slots & *unread;
        let missed = if self.is_first { 0 } else { slots & missed & !self.missed[1] };
        *unread &= !slots;
        self.missed[0] |= missed;
        let read = (0..SLOTS).filter(|slot| slots & !missed & 1 << slot != 0);
        snapshot.rows.extend(read.filter_map(|slot| self.world.row(slot)));
    }

    /// As the agent does where nothing was lost.
    fn glance(&mut self, unheld: u8) {
        let is_calm = self.world.lost <= self.mended && !self.live.wants_all();
        if self.is_first || self.snapshot.is_some() || !is_calm || !self.world.states_speak {
            return;
        }
        self.live.begin_snapshot(false);
        let mut snapshot = self.world.glance();
        let held = (0..SLOTS).filter(|slot| unheld & 1 << slot == 0);
        snapshot.rows.extend(held.filter_map(|slot| self.world.row(slot)));
        self.drain();
        let sight = Sight { sees_ends: true, is_lossy: false, is_first: false };
        let Self { live, graph, marker, shown, .. } = self;
        live.reconcile(&snapshot, sight, marker, |_, change| take(graph, shown, change));
        live.unseen();
    }

    fn reconcile(&mut self) {
        self.read_rows(u8::MAX, 0);
        let Some((snapshot, _)) = self.snapshot.take() else {
            return;
        };
        self.drain();
        let sight = Sight {
            sees_ends: self.world.states_speak,
            is_lossy: self.world.lost > self.mended,
            is_first: self.is_first,
        };
        self.mended = self.lost_before;
        self.is_first = false;
        let Self { live, graph, marker, shown, .. } = self;
        live.reconcile(&snapshot, sight, marker, |_, change| take(graph, shown, change));
    }

    fn file(&mut self) {
        self.drain();
        self.told();
        self.live.file_written();
        self.graph.file_written();
        self.world.file += 1;
        self.world.brief = Default::default();
    }

    /// What a file says of each edge that has something to say, its labels left out.
    fn told(&mut self) -> Edges {
        let now = Duration::from_secs(1);
        let view = self.graph.file(now, &self.marker, |_| Answer::Known(Arc::from("")));
        let mut edges = Edges::new();
        for row in &view.rows {
            let counts = edges.entry(key(row)).or_default();
            counts.unique += row.unique;
            counts.opened += row.opened.unwrap_or(0);
        }
        edges.retain(|_, counts| *counts != Counts::default());
        edges
    }

    /// What it should say.
    fn truth(&self) -> Edges {
        let mut edges = Edges::new();
        for slot in 0..SLOTS {
            let edge = edges.entry(EdgeKey::new(role(slot), &flow(slot), Mark::NONE)).or_default();
            let is_open = self.world.open.contains_key(&slot);
            edge.unique += u64::from(is_open) + self.world.brief[usize::from(slot)];
            edge.opened += self.world.opened[usize::from(slot)];
        }
        edges.retain(|_, counts| *counts != Counts::default());
        edges
    }

    /// Nothing happens any more, and two snapshots are taken.
    fn settle(&mut self) {
        self.reconcile();
        for _ in 0..2 {
            self.begin_snapshot();
            self.reconcile();
        }
    }

    fn is_what_is_open(&mut self) -> Result<(), TestCaseError> {
        let open: BTreeSet<Flow> = self.world.open.keys().map(|&slot| flow(slot)).collect();
        prop_assert_eq!(&self.shown.open, &open);
        prop_assert_eq!(self.live.len(), open.len());
        // What was brief is told.
        self.file();
        let unique = |edges: Edges| -> Vec<_> {
            let edges = edges.into_iter().map(|(key, counts)| (key, counts.unique));
            edges.filter(|&(_, unique)| unique > 0).collect()
        };
        prop_assert_eq!(unique(self.told()), unique(self.truth()));
        Ok(())
    }
}

/// A flow has one connection at a time, and none closes that isn't open.
fn take(graph: &mut Graph, shown: &mut Shown, change: Change) {
    match change {
        Change::Opened { flow, is_new, .. } => {
            assert!(shown.open.insert(flow), "opened twice: {flow:?}");
            *shown.opened.entry(flow).or_default() += u64::from(is_new);
        }
        Change::Closed { flow, .. } => {
            assert!(shown.open.remove(&flow), "closed twice: {flow:?}");
        }
        Change::Found { flow, .. } => {
            assert!(shown.open.insert(flow), "opened twice: {flow:?}");
        }
        Change::Relabelled { .. } | Change::OpenedAlike { .. } | Change::Failed { .. } => {}
    }
    graph.apply(&change, Duration::from_secs(1));
}

fn key(row: &EdgeRow) -> EdgeKey {
    let (Some(local), Peer::Address(peer)) = (row.local, row.peer) else {
        panic!("folded below the budget: {row:?}");
    };
    EdgeKey { role: row.role, local: local.into(), peer: peer.into(), mark: Mark::NONE }
}

proptest! {
    #![proptest_config(super::config(600))]

    #[test]
    fn without_a_loss_every_file_tells_what_happened(older in any::<u8>(), steps in steps(&[])) {
        let mut run = Run::start(true, older);
        for step in steps {
            if matches!(step, Step::File) && !run.is_first {
                run.drain();
                prop_assert_eq!(run.told(), run.truth());
            }
            run.step(step);
        }
        run.settle();
        prop_assert_eq!(run.told(), run.truth());
        run.is_what_is_open()?;
    }

    #[test]
    fn whatever_was_lost_two_snapshots_mend_it(older in any::<u8>(), steps in steps(&LOSSY)) {
        let mut run = Run::start(true, older);
        steps.into_iter().for_each(|step| run.step(step));
        run.settle();
        run.is_what_is_open()?;
    }

    #[test]
    fn what_a_full_ring_leaves_to_be_counted_is_counted_once(
        older in any::<u8>(),
        steps in steps(&[Fate::Counted]),
    ) {
        let mut run = Run::start(true, older);
        run.world.rests_flows = true;
        steps.into_iter().for_each(|step| run.step(step));
        run.settle();
        let opened = |edges: Edges| -> BTreeMap<EdgeKey, u64> {
            edges.into_iter().map(|(key, counts)| (key, counts.opened)).collect()
        };
        // What is brief and told already shows no more, and what opened does.
        let truth = opened(run.truth());
        let mut told = opened(run.told());
        told.retain(|key, _| truth.contains_key(key));
        prop_assert_eq!(told, truth);
        run.is_what_is_open()?;
    }

    #[test]
    fn where_the_probes_stand_alone_two_snapshots_find_the_ends(
        older in any::<u8>(),
        steps in steps(&LOSSY),
    ) {
        let mut run = Run::start(false, older);
        steps.into_iter().for_each(|step| run.step(step));
        run.settle();
        run.is_what_is_open()?;
    }

    #[test]
    fn where_the_probes_stand_alone_a_connection_found_in_the_queue_counts_once(
        older in any::<u8>(),
        steps in steps(&[]),
    ) {
        let mut run = Run::start(false, older);
        steps.into_iter().for_each(|step| run.step(step));
        run.settle();
        // Less where two took turns on a flow: the second may be taken for the first.
        for slot in 0..SLOTS {
            let told = run.shown.opened.get(&flow(slot)).copied().unwrap_or(0);
            let truth = run.world.opened[usize::from(slot)];
            prop_assert!(told <= truth, "{:?}: {}, and truly {}", flow(slot), told, truth);
        }
    }
}
