//! What the agent knows: the live set and the graph behind it, fed by records and
//! snapshots. Pure: the time is an argument.

use std::time::Duration;

use log::{debug, log_enabled};
use ngraph_common::event::FlowEvent;

use crate::{
    config::PeerFilter,
    flow::{Flow, Role},
    graph::{Graph, Limits},
    live::{Change, LiveSet, Repairs, Sight},
    observe::{KINDS, Observation, Reading},
    snapshot::Snapshot,
};

/// The live set, the graph, and what was counted on the way.
pub struct State {
    /// The edges.
    pub graph: Graph,
    live: LiveSet,
    peers: PeerFilter,
    reading: Reading,
    /// Records taken in, by [`KINDS`].
    pub events: [u64; KINDS.len()],
    /// Records that made no sense.
    pub malformed: u64,
    /// What snapshots repaired.
    pub repairs: Repairs,
}

impl State {
    /// Knows nothing yet.
    pub fn new(limits: Limits, peers: PeerFilter, reading: Reading) -> Self {
        Self {
            graph: Graph::new(limits),
            live: LiveSet::default(),
            peers,
            reading,
            events: [0; KINDS.len()],
            malformed: 0,
            repairs: Repairs::default(),
        }
    }

    /// Takes in a record.
    pub fn record(&mut self, event: &FlowEvent, now: Duration) {
        self.count(event);
        match self.reading.observe(event) {
            Ok(Some(observation)) => {
                if log_enabled!(log::Level::Debug) {
                    tell(&observation);
                }
                let Self { live, graph, peers, .. } = self;
                live.apply(observation, |change| take(graph, peers, &change, now));
            }
            Ok(None) => {}
            Err(malformed) => {
                if self.malformed == 0 {
                    log::error!("drop {malformed}");
                }
                self.malformed += 1;
            }
        }
    }

    /// Counts a record that tells nothing.
    pub fn count(&mut self, event: &FlowEvent) {
        if let Some(at) = KINDS.iter().position(|&(kind, _)| kind == event.kind) {
            self.events[at] += 1;
        }
    }

    /// A snapshot is about to begin.
    pub fn begin_snapshot(&mut self) {
        self.live.begin_snapshot();
    }

    /// Takes in a snapshot, after every record of its time.
    pub fn reconcile(&mut self, snapshot: &Snapshot, sight: Sight, now: Duration) -> Repairs {
        let Self { live, graph, peers, .. } = self;
        let repairs = live.reconcile(snapshot, sight, |change| take(graph, peers, &change, now));
        self.repairs.opened += repairs.opened;
        self.repairs.closed += repairs.closed;
        repairs
    }

    /// The file with all that was known is written.
    pub fn file_written(&mut self) {
        self.live.file_written();
        self.graph.file_written();
    }
}

/// The live set holds every connection, the graph those with peers that are wanted.
fn take(graph: &mut Graph, peers: &PeerFilter, change: &Change, now: Duration) {
    let (Change::Opened { flow, .. } | Change::Closed { flow, .. } | Change::Failed { flow, .. }) =
        change;
    if peers.is_wanted(flow.peer.ip()) {
        graph.apply(change, now);
    }
}

fn tell(observation: &Observation) {
    let ends = |flow: &Flow| {
        let Flow { local, local_port, peer, peer_port, netns } = flow;
        format!("{local:?} port {local_port}, {peer:?} port {peer_port}, namespace {}", netns.0)
    };
    match observation {
        Observation::Opened { flow, role, owner, .. } => {
            let part = if *role == Role::Inbound { "inbound" } else { "outbound" };
            let owner = owner.map(|owner| format!(", {owner}")).unwrap_or_default();
            debug!("opened {part}: {}{owner}", ends(flow));
        }
        Observation::Owned { id, owner } => {
            debug!("owner of {:x}: {owner}", id.sock);
        }
        Observation::Closed(id) => debug!("closed {:x}", id.sock),
        Observation::ClosedOlder(flow) => debug!("closed, older than the hooks: {}", ends(flow)),
        Observation::Failed { flow, reason } => {
            debug!("failed, {}: {}", reason.label(), ends(flow));
        }
    }
}
