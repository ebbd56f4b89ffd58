//! One edge: its key, its counts, its name.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use crate::{
    flow::{Address, Flow, Reason, Role},
    labels::Mark,
};

/// What makes an edge: a direction, two addresses, and the labels that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeKey {
    /// The local socket's part.
    pub role: Role,
    /// The socket's own address.
    pub local: Address,
    /// The other end's address.
    pub peer: Address,
    /// The labels.
    pub mark: Mark,
}

/// All at once: every event asks for its edge.
impl Hash for EdgeKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { role, local, peer, mark } = self;
        let mut bytes = [0; 40];
        bytes[..16].copy_from_slice(&local.0);
        bytes[16..32].copy_from_slice(&peer.0);
        bytes[32..36].copy_from_slice(&mark.number().to_ne_bytes());
        bytes[36] = *role as u8;
        state.write(&bytes);
    }
}

impl EdgeKey {
    /// The edge of a flow.
    pub fn new(role: Role, flow: &Flow, mark: Mark) -> Self {
        Self { role, local: flow.local, peer: flow.peer, mark }
    }
}

/// The counts of an edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Connections open now.
    pub open: u64,
    /// Connections that opened and closed since the file before.
    pub brief: u64,
    /// Connections opened since the agent started.
    pub opened: u64,
    /// Failed attempts, by reason.
    pub failed: [u64; Reason::ALL.len()],
    /// Whether there has ever been a connection, and not failed attempts alone.
    pub is_connection: bool,
}

impl Tally {
    /// How much an edge counts when the smallest are folded.
    pub(super) fn weight(&self) -> u64 {
        self.open + self.opened + self.failed.iter().sum::<u64>()
    }

    /// Whether it tells of nothing at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.weight() == 0 && self.brief == 0
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.brief += other.brief;
        self.opened += other.opened;
        for (sum, count) in self.failed.iter_mut().zip(other.failed) {
            *sum += count;
        }
        self.is_connection |= other.is_connection;
    }
}

/// An edge.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub tally: Tally,
    pub since: Duration,
    pub last_used: Duration,
    /// The peer's name, taken once: an edge that changed it would be two series.
    pub name: Option<Arc<str>>,
    /// Folded into the `other` edge, and here only while it has open connections.
    pub is_folded: bool,
    pub told: Told,
}

/// What files have said of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// None has been written since it is here.
    NotYet,
    /// They left it out, for want of its name: whatever was open then is untold.
    PassedOver,
    /// One has shown it.
    Shown,
}

impl Edge {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            tally: Tally::default(),
            since: now,
            last_used: now,
            name: None,
            is_folded: false,
            told: Told::NotYet,
        }
    }
}
