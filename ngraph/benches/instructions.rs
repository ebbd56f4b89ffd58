//! 100,000 events on their way from bytes to the file, and a snapshot of what they leave open: a
//! program that does the same each time, for `cargo xtask instructions` to count.
#![allow(missing_docs, reason = "a program, not a library")]

mod traffic;

use std::{hint::black_box, sync::Arc, time::Duration};

use ngraph::{
    export,
    graph::{Answer, Graph},
    health::Health,
    labels::Marker,
    live::{Change, Follower as _, LiveSet, Repairs, Sight},
    observe::Observation,
    snapshot::{Snapshot, held},
};
use ngraph_common::event::{self, FlowEvent, kind};
use zerocopy::IntoBytes as _;

const EVENTS: u32 = 100_000;
const PEERS: u32 = 10_000;

/// How many connections are open at one time.
const OPEN: u32 = 40_000;

const NOW: Duration = Duration::from_secs(1_000);

fn main() {
    let records = traffic::churn(EVENTS, OPEN, PEERS);
    let opened = records.iter().filter(|record| record.kind == kind::OPEN).count();
    // The last ones are open at the end.
    let held = traffic::held(opened as u32, PEERS).split_off(opened - OPEN as usize);
    let (mut live, mut graph) = (LiveSet::new(1 << 20), Graph::new(traffic::LIMITS));

    let observations = stage::decode(&traffic::wire(&records));
    let changes = stage::live(&mut live, &observations);
    stage::graph(&mut graph, &changes);
    let snapshot = stage::held(held.as_bytes());
    let repairs = stage::reconcile(&mut live, &snapshot);
    assert_eq!((live.len(), repairs), (OPEN as usize, Repairs::default()));
    let text = stage::file(&mut graph);
    black_box(text);
}

/// What is counted, by the functions' names.
mod stage {
    use super::*;

    #[inline(never)]
    pub fn decode(records: &[Vec<u8>]) -> Vec<Observation> {
        let mut observations = Vec::with_capacity(EVENTS as usize);
        let mut room = FlowEvent::default();
        for record in records {
            if let Some(event) = event::read(record, &mut room)
                && let Ok(observation) = traffic::READING.observe(event)
            {
                observations.extend(observation);
            }
        }
        observations
    }

    #[inline(never)]
    pub fn live(live: &mut LiveSet, observations: &[Observation]) -> Vec<Change> {
        let mut changes = Vec::with_capacity(EVENTS as usize);
        let mut marker = Marker::off();
        for observation in observations {
            live.apply(*observation, &mut marker, |_, change| changes.push(change));
        }
        changes
    }

    #[inline(never)]
    pub fn graph(graph: &mut Graph, changes: &[Change]) {
        changes.iter().for_each(|change| graph.apply(change, NOW));
    }

    #[inline(never)]
    pub fn held(bytes: &[u8]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        held::read(bytes, OPEN as usize, &mut snapshot).expect("whole records");
        snapshot
    }

    #[inline(never)]
    pub fn reconcile(live: &mut LiveSet, snapshot: &Snapshot) -> Repairs {
        let sight = Sight { sees_ends: true, is_lossy: false, is_first: false };
        live.begin_snapshot(true);
        live.reconcile(snapshot, sight, &mut Marker::off(), |_, change| {
            black_box(change);
        })
    }

    #[inline(never)]
    pub fn file(graph: &mut Graph) -> String {
        let name: Arc<str> = Arc::from("peer.example");
        let view = graph.file(NOW, &Marker::off(), |_| Answer::Known(Arc::clone(&name)));
        export::prometheus(&view, &Health::default())
    }
}
