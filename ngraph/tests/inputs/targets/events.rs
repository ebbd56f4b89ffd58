//! Bytes as what the ring buffer and /proc tell, all the way to the file.
//!
//! The first byte says how records are read. Then come steps of a byte and its operands:
//! a record, a number of records alike, an earlier record told again as another kind, a
//! snapshot of earlier records' flows, a file, a stretch of time.

use std::{sync::Arc, time::Duration};

use ngraph::{
    collect::state::State,
    config::PeerFilter,
    export::prometheus,
    flow::{NetnsId, Role},
    graph::{Graph, Limits, View},
    health::Health,
    labels::{Label, Labels, Marker},
    live::Sight,
    names::Answer,
    observe::{Observation, Reading},
    snapshot::{Row, RowState, Snapshot},
};
use ngraph_common::{
    event::{self, EndEvent, FlowEvent, kind},
    overflow::Like,
};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::metrics::Metrics;

pub fn run(bytes: &[u8]) {
    let Some((&how, mut rest)) = bytes.split_first() else { return };
    let mut run = Run::new(how);
    while let Some((&step, behind)) = rest.split_first() {
        rest = run.step(step, behind);
    }
    run.end();
}

struct Run {
    state: State<Graph>,
    reading: Reading,
    records: Vec<FlowEvent>,
    now: Duration,
    files: u8,
}

/// Files in the middle of a run: each costs more than all the rest.
const FILES: u8 = 2;

impl Run {
    fn new(how: u8) -> Self {
        let alias = (how & 2 != 0).then_some((0xffff_8000_0000_1000, NetnsId(7)));
        let reading = Reading { states_speak: how & 1 == 0, alias };
        let limits = Limits {
            max_edges: usize::from(how >> 4).max(1),
            edge_ttl: Duration::from_secs(60),
            name_wait: Duration::from_secs(5),
        };
        let room = usize::from(how >> 2 & 3) * 4 + 1;
        let labels = match how & 1 {
            0 => Labels::new(),
            _ => Labels::from([Label::Port, Label::Process, Label::Netns]),
        };
        let (graph, marker) = (Graph::new(limits), Marker::new(labels, Box::new(())));
        let state = State::new(graph, room, PeerFilter::default(), marker, reading);
        Self { state, reading, records: Vec::new(), now: Duration::from_secs(1_000), files: 0 }
    }

    /// Takes one step and gives the bytes behind its operands.
    fn step<'a>(&mut self, step: u8, bytes: &'a [u8]) -> &'a [u8] {
        match step % 8 {
            0 | 1 => match FlowEvent::read_from_prefix(bytes) {
                Ok((event, rest)) => {
                    self.record(event);
                    return rest;
                }
                Err(_) => match EndEvent::read_from_prefix(bytes) {
                    Ok((end, rest)) => {
                        let mut room = FlowEvent::default();
                        let event = event::read(end.as_bytes(), &mut room).expect("an end");
                        self.record(*event);
                        return rest;
                    }
                    // As the agent takes a record of another size.
                    Err(_) => self.state.malformed += 1,
                },
            },
            2..=4 => {
                let earlier = self.records.get(usize::from(step >> 3)).copied();
                if let (Some(event), Some((&kind, rest))) = (earlier, bytes.split_first()) {
                    // Above the kinds that exist: the same socket, used for the next.
                    let opened_ns = event.opened_ns.wrapping_add(u64::from(kind >> 3));
                    self.record(FlowEvent { kind: kind & 7, opened_ns, ..event });
                    return rest;
                }
            }
            5 => {
                if let Some((&rows, rest)) = bytes.split_first() {
                    self.snapshot(step >> 3, rows);
                    return rest;
                }
            }
            7 => {
                if let Ok((like, rest)) = Like::read_from_prefix(bytes) {
                    self.state.record_alike(&like, u64::from(step >> 3) + 1, self.now);
                    return rest;
                }
            }
            6 if self.files < FILES => {
                self.files += 1;
                let view = self.view();
                self.check(&view);
                self.state.file_written();
            }
            _ => self.now += Duration::from_secs(u64::from(step >> 3)),
        }
        bytes
    }

    fn record(&mut self, event: FlowEvent) {
        self.records.push(event);
        self.state.record(&event, self.now);
    }

    /// Rows of the first eight records, as the bits of `rows` have it.
    fn snapshot(&mut self, sight: u8, rows: u8) {
        let is_whole = sight & 8 == 0;
        let sight =
            Sight { sees_ends: sight & 1 == 0, is_lossy: sight & 2 != 0, is_first: sight & 4 != 0 };
        let mut snapshot = Snapshot { is_whole, ..Snapshot::default() };
        for (i, event) in self.records.iter().take(8).enumerate() {
            let failed = FlowEvent { kind: kind::FAIL, ..*event };
            let Ok(Some(Observation::Failed { flow, .. })) = self.reading.observe(&failed) else {
                panic!("a failure is a failure");
            };
            snapshot.namespaces.insert(flow.netns);
            if event.role == 2 {
                snapshot.listeners.insert(flow.netns, flow.local, flow.local_port);
            }
            if rows & 1 << i != 0 {
                let is_attempt = event.kind == kind::CONNECT;
                let state = if is_attempt { RowState::Attempt } else { RowState::Connection };
                snapshot.rows.push(Row { flow, state });
            }
        }
        self.state.begin_snapshot(is_whole);
        self.state.reconcile(&snapshot, sight, self.now);
    }

    fn view(&mut self) -> View {
        let names: Vec<Arc<str>> = (self.records.iter().take(4))
            .map(|event| Arc::from(&*String::from_utf8_lossy(&event.comm)))
            .collect();
        self.state.file(self.now, |peer| match names.len() {
            0 => Answer::Pending,
            count => Answer::Known(names[peer.to_string().len() % count].clone()),
        })
    }

    fn check(&self, view: &View) {
        let metrics = Metrics::parse(&prometheus(view, &Health::default()));
        for role in Role::ALL {
            let opened: u64 = (view.rows.iter().filter(|row| row.role == role))
                .filter_map(|row| row.opened)
                .sum();
            assert_eq!(metrics.opened(role.direction()), opened);
        }
    }

    /// Two files later, what a file shows is what is open.
    fn end(mut self) {
        self.now += Duration::from_secs(5);
        for _ in 0..2 {
            self.view();
            self.state.file_written();
        }
        let view = self.view();
        self.check(&view);
        assert_eq!(view.waiting, 0, "an edge waits for its name too long");
        for role in Role::ALL {
            let rows = view.rows.iter().filter(|row| row.role == role);
            let open: u64 = rows.map(|row| row.unique).sum();
            assert_eq!(open, self.state.follower.open(role), "{view:?}");
        }
    }
}
