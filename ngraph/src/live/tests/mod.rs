//! The live set's rules: one world, a file a theme.

mod alike;
mod events;
mod glances;
mod links;
mod owners;
mod snapshots;

use std::{collections::BTreeSet, net::IpAddr};

use super::*;
use crate::{
    flow::NetnsId,
    labels::{Label, Labels},
    snapshot::{Row, RowState, Snapshot},
};

const NETNS: NetnsId = NetnsId(1);
const SIGHT: Sight = Sight { sees_ends: true, is_lossy: false, is_first: false };

fn flow(local_port: u16) -> Flow {
    let [local, peer]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
    Flow { netns: NETNS, local: local.into(), local_port, peer: peer.into(), peer_port: 80 }
}

fn opened(sock: u64, local_port: u16) -> Observation {
    let id = ConnId { sock, opened_ns: sock * 10 };
    let (flow, role) = (flow(local_port), Role::Outbound);
    Observation::Opened { id: Some(id), flow, link: 0, role, owner: None, may_be_known: false }
}

fn closed(sock: u64) -> Observation {
    Observation::Closed(ConnId { sock, opened_ns: sock * 10 })
}

fn closed_unnamed(local_port: u16, alike: Option<Role>) -> Observation {
    Observation::ClosedUnnamed { flow: flow(local_port), alike }
}

fn snapshot(ports: &[u16]) -> Snapshot {
    let row = |port: &u16| Row { flow: flow(*port), state: RowState::Connection };
    Snapshot {
        rows: ports.iter().map(row).collect(),
        namespaces: BTreeSet::from([NETNS]),
        is_whole: true,
        ..Snapshot::default()
    }
}

struct Set {
    live: LiveSet,
    marker: Marker,
    changes: Vec<Change>,
}

impl Default for Set {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Set {
    fn new(room: usize) -> Self {
        Self::labelled(room, Marker::off())
    }

    fn labelled(room: usize, marker: Marker) -> Self {
        Self { live: LiveSet::new(room), marker, changes: Vec::new() }
    }

    fn apply(&mut self, observation: Observation) {
        self.live.apply(observation, &mut self.marker, |_, change| self.changes.push(change));
    }

    fn reconcile(&mut self, snapshot: &Snapshot, sight: Sight) -> Repairs {
        let Self { live, marker, changes } = self;
        live.reconcile(snapshot, sight, marker, |_, change| changes.push(change))
    }

    fn opens(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Opened { .. })).count()
    }

    /// Connections that count as opened.
    fn counted(&self) -> u64 {
        let count = |change: &Change| match change {
            Change::Opened { is_new, .. } => u64::from(*is_new),
            Change::OpenedAlike { count, .. } => *count,
            _ => 0,
        };
        self.changes.iter().map(count).sum()
    }

    fn closes(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Closed { .. })).count()
    }
}

fn accepted(sock: u64, local_port: u16) -> Observation {
    let mut accepted = opened(sock, local_port);
    if let Observation::Opened { may_be_known, .. } = &mut accepted {
        *may_be_known = true;
    }
    accepted
}

fn alike(count: u64) -> Observation {
    let flow = Flow { local_port: 0, peer_port: 0, ..flow(0) };
    Observation::OpenedAlike { flow, role: Role::Outbound, count }
}

/// A set that labels connections by their owner's name and the service's port.
fn labelled() -> Set {
    Set::labelled(100, Marker::new(Labels::from([Label::Port, Label::Process]), Box::new(())))
}

fn shown(set: &Set, mark: Mark) -> String {
    let values = set.marker.shown(mark).into_iter().map(|(_, value)| value);
    values.collect::<Vec<_>>().join(" ")
}

fn owner() -> Owner {
    Owner { pid: 1, cgroup: 2, comm: *b"nginx\0\0\0\0\0\0\0\0\0\0\0" }
}
