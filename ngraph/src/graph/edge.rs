//! One edge: its key, its counts, its name.

use std::{sync::Arc, time::Duration};

use crate::flow::{Address, Flow, Reason, Role};

/// What makes an edge: a direction and two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The local socket's part.
    pub role: Role,
    /// The socket's own address.
    pub local: Address,
    /// The other end's address.
    pub peer: Address,
}

impl EdgeKey {
    /// The edge of a flow.
    pub fn new(role: Role, flow: &Flow) -> Self {
        Self { role, local: flow.local, peer: flow.peer }
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
}

impl Edge {
    pub(super) fn new(now: Duration) -> Self {
        Self { tally: Tally::default(), since: now, last_used: now, name: None, is_folded: false }
    }
}
