//! What the agent knows: the live set and the graph behind it, fed by records and
//! snapshots. Pure: the time is an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use log::{debug, log_enabled};
use ngraph_common::{event::FlowEvent, overflow::Like};

use super::brackets::Bracket;
use crate::{
    audit::Audit,
    config::PeerFilter,
    flow::{Flow, NetnsId, Role},
    graph::{Graph, View},
    labels::{Mark, Marker},
    live::{Change, Follower, LiveSet, Repairs, Sight},
    names::Answer,
    nat::Counts,
    observe::{KINDS, Malformed, Observation, Reading},
    snapshot::{RowState, Snapshot},
};

/// The live set, who follows it, and what was counted on the way.
pub struct State<F> {
    /// Is told of the changes of connections whose peers are wanted.
    pub follower: F,
    live: LiveSet,
    marker: Marker,
    peers: PeerFilter,
    reading: Reading,
    /// Records taken in, by [`KINDS`].
    pub events: [u64; KINDS.len()],
    /// Records that found the ring buffer full and were counted instead.
    pub overflowed: u64,
    /// Records that made no sense.
    pub malformed: u64,
    /// The kernel's own counts beside what was captured.
    pub audit: Audit,
    /// What snapshots repaired.
    pub repairs: Repairs,
}

impl<F: Follower> State<F> {
    /// Knows nothing yet.
    pub fn new(
        follower: F,
        live: usize,
        peers: PeerFilter,
        marker: Marker,
        reading: Reading,
    ) -> Self {
        Self {
            follower,
            live: LiveSet::new(live),
            marker,
            peers,
            reading,
            events: [0; KINDS.len()],
            overflowed: 0,
            malformed: 0,
            audit: Audit::default(),
            repairs: Repairs::default(),
        }
    }

    /// Takes in a record.
    pub fn record(&mut self, event: &FlowEvent, now: Duration) {
        self.count(event);
        self.follower.witness(Some(event));
        self.observe(self.reading.observe(event), 1, now);
    }

    /// Takes in a number of records of which no more is left than what they had in common.
    pub fn record_alike(&mut self, like: &Like, count: u64, now: Duration) {
        self.overflowed += count;
        self.follower.witness(None);
        self.observe(self.reading.observe_alike(like, count), count, now);
    }

    fn observe(
        &mut self,
        observation: Result<Option<Observation>, Malformed>,
        records: u64,
        now: Duration,
    ) {
        match observation {
            Ok(Some(observation)) => {
                if log_enabled!(log::Level::Debug) {
                    tell(&observation);
                }
                self.audit.observe(&observation);
                let Self { live, follower, peers, marker, .. } = self;
                live.apply(observation, marker, |marker, change| {
                    take(follower, peers, marker, change, now);
                });
            }
            Ok(None) => {}
            Err(malformed) => {
                if self.malformed == 0 {
                    log::error!("drop {malformed}");
                }
                self.malformed += records;
            }
        }
    }

    /// Takes in the agent's own records, which tell of no connection, and where the kernel's
    /// counts stood when the hooks were attached.
    pub fn begin_audit(&mut self, own: &[FlowEvent], opens: &BTreeMap<NetnsId, Bracket>) {
        let mut captured = Audit::default();
        for event in own {
            self.count(event);
            if let Ok(Some(observation)) = self.reading.observe(event) {
                captured.observe(&observation);
            }
        }
        for (&netns, Bracket { before, after }) in opens {
            self.audit.begin(netns, *before, *after, captured.captured(netns));
        }
    }

    /// Events taken in, with or without details.
    pub fn received(&self) -> u64 {
        self.events.iter().sum::<u64>() + self.overflowed
    }

    /// Connections are told of by other hooks from here on, which don't know them by the names
    /// that those before gave them.
    pub fn capture_changed(&mut self, reading: Reading) {
        self.reading = reading;
        self.live.forget_names();
    }

    /// Counts a record that tells nothing.
    pub fn count(&mut self, event: &FlowEvent) {
        if let Some(at) = KINDS.iter().position(|&(kind, _)| kind == event.kind) {
            self.events[at] += 1;
        }
    }

    /// What became of lookups of who answers.
    pub fn translations(&self) -> Option<Counts> {
        self.marker.translations()
    }

    /// Connections that are open.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Connections that found no room in the live set.
    pub fn turned_away(&self) -> u64 {
        self.live.turned_away()
    }

    /// A snapshot is about to begin, after every record until now. `is_whole`: it is to show every
    /// connection.
    pub fn begin_snapshot(&mut self, is_whole: bool) {
        self.live.begin_snapshot(is_whole);
    }

    /// Takes in a snapshot, after every record of its time.
    pub fn reconcile(&mut self, snapshot: &Snapshot, sight: Sight, now: Duration) -> Repairs {
        let Self { live, follower, peers, marker, audit, .. } = self;
        if sight.is_first {
            let attempts = snapshot.rows.iter().filter(|row| row.state == RowState::Attempt);
            audit.know_elders(attempts.map(|row| row.flow).collect());
        }
        follower.witness(None);
        let repairs = live.reconcile(snapshot, sight, marker, |marker, change| {
            if let Change::Opened { flow, role, is_new: true, .. } = &change {
                audit.found(flow.netns, *role);
            }
            take(follower, peers, marker, change, now);
        });
        audit.listed(|netns| snapshot.processes.contains_key(&netns));
        self.repairs.opened += repairs.opened;
        self.repairs.closed += repairs.closed;
        repairs
    }

    /// Whether the next snapshot has to show every connection.
    pub fn wants_all(&self) -> bool {
        self.live.wants_all()
    }

    /// Namespaces to look at more closely, after a snapshot that shows no more than what some
    /// process holds.
    pub fn unseen(&mut self) -> BTreeSet<NetnsId> {
        self.live.unseen()
    }
}

impl State<Graph> {
    /// The edges as they are at this moment; those on which nothing happens for long have gone.
    pub fn present(&mut self, now: Duration, name: impl FnMut(IpAddr) -> Answer) -> View {
        self.follower.expire(now);
        self.follower.present(now, &self.marker, name)
    }

    /// The edges for a file; `name` tells a peer's name.
    pub fn file(&mut self, now: Duration, name: impl FnMut(IpAddr) -> Answer) -> View {
        let Self { follower, live, marker, .. } = self;
        let view = follower.file(now, marker, name);
        marker.tidy();
        if marker.is_crowded() {
            marker.keep(follower.marks().chain(live.marks()));
        }
        view
    }

    /// Other peers are wanted from here on. The graph has what it would have if its edges began at
    /// this moment: none of a peer that isn't wanted, and the open connections of who is now.
    pub fn set_peers(&mut self, peers: PeerFilter, now: Duration) {
        let before = std::mem::replace(&mut self.peers, peers);
        let Self { live, follower, peers, marker, .. } = self;
        follower.retain(|peer| peers.is_wanted(peer));
        for (flow, role, mark) in live.connections() {
            let (flow, mark) = answered(marker, flow, mark);
            let peer = flow.peer.ip();
            if peers.is_wanted(peer) && !before.is_wanted(peer) {
                follower.apply(&Change::Opened { flow, role, mark, is_new: false }, now);
            }
        }
    }

    /// The file with all that was known is written.
    pub fn file_written(&mut self) {
        self.live.file_written();
        self.follower.file_written();
    }
}

/// The live set holds every connection as its socket has it, its follower those with peers that
/// are wanted, by who answers.
fn take(
    follower: &mut impl Follower,
    peers: &PeerFilter,
    marker: &Marker,
    mut change: Change,
    now: Duration,
) {
    if let Change::Relabelled { flow, from, .. } = &mut change {
        (_, *from) = answered(marker, *flow, *from);
    }
    let (Change::Opened { flow, mark, .. }
    | Change::Relabelled { flow, mark, .. }
    | Change::OpenedAlike { flow, mark, .. }
    | Change::Found { flow, mark, .. }
    | Change::Closed { flow, mark, .. }
    | Change::Failed { flow, mark, .. }) = &mut change;
    (*flow, *mark) = answered(marker, *flow, *mark);
    if peers.is_wanted(flow.peer.ip()) {
        follower.apply(&change, now);
    }
}

/// A connection and its labels as they are shown: with who answers in the place of whom was asked.
fn answered(marker: &Marker, flow: Flow, mark: Mark) -> (Flow, Mark) {
    match marker.backend(mark) {
        Some((answers, shown)) => {
            (Flow { peer: answers.address, peer_port: answers.port, ..flow }, shown)
        }
        None => (flow, mark),
    }
}

fn part(role: Role) -> &'static str {
    if role == Role::Inbound { "inbound" } else { "outbound" }
}

fn tell(observation: &Observation) {
    let ends = |flow: &Flow| {
        let Flow { local, local_port, peer, peer_port, netns } = flow;
        format!("{local:?} port {local_port}, {peer:?} port {peer_port}, namespace {}", netns.0)
    };
    match observation {
        Observation::Opened { flow, role, owner, .. } => {
            let part = part(*role);
            let owner = owner.map(|owner| format!(", {owner}")).unwrap_or_default();
            debug!("opened {part}: {}{owner}", ends(flow));
        }
        Observation::Owned { id, owner } => {
            debug!("owner of {:x}: {owner}", id.sock);
        }
        Observation::Closed(id) => debug!("closed {:x}", id.sock),
        Observation::ClosedUnnamed { flow, .. } => debug!("closed: {}", ends(flow)),
        Observation::OpenedAlike { flow, role, count } => {
            debug!("opened {count} {}: {}", part(*role), ends(flow));
        }
        Observation::Spare { flow, count } => debug!("spare {count}: {}", ends(flow)),
        Observation::Failed { flow, reason, count, .. } => {
            debug!("failed {count}, {}: {}", reason.label(), ends(flow));
        }
    }
}
