//! What a file shows of the graph, and what ends with the file.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    Answer, Graph,
    edge::{EdgeKey, Tally},
};
use crate::flow::{Reason, Role};

/// The edges of one file, in the order of direction, source, destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The edges.
    pub rows: Vec<EdgeRow>,
    /// How many edges wait for their peer's name and are in the next file.
    pub waiting: usize,
}

/// One edge in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeRow {
    /// The local socket's part.
    pub role: Role,
    /// The local address; none for the `other` edge, which has many.
    pub local: Option<IpAddr>,
    /// The other end.
    pub peer: Peer,
    /// The peer's host name; empty: none.
    pub name: Arc<str>,
    /// Connections open now and those opened and closed since the file before.
    pub unique: u64,
    /// Connections opened since the agent started; none where there were only attempts.
    pub opened: Option<u64>,
    /// Failed attempts since the agent started, by index of [`Reason::ALL`].
    pub failed: [u64; Reason::ALL.len()],
}

/// The other end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// One address.
    Address(IpAddr),
    /// All those that were folded.
    Other,
}

impl Graph {
    /// The edges for a file, folded to the budget. `name` tells a peer's name. Edges whose
    /// name is still awaited are left out and keep their counts for the next file. Until
    /// [`Graph::file_written`] the same counts are given again.
    pub fn file(&mut self, now: Duration, mut name: impl FnMut(IpAddr) -> Answer) -> View {
        self.expire(now);
        for role in Role::ALL {
            self.fold(role);
        }
        let mut keys: Vec<EdgeKey> =
            (self.edges.iter()).filter(|(_, edge)| !edge.is_folded).map(|(key, _)| *key).collect();
        keys.sort_unstable_by_key(|key| (key.role, source(key), key.local, key.peer));
        let mut view = View::default();
        for key in keys {
            match self.row(key, now, &mut name) {
                Some(row) => view.rows.push(row),
                None => view.waiting += 1,
            }
        }
        for role in Role::ALL {
            let tally = self.other.of(role);
            if tally.weight() > 0 {
                view.rows.push(other_row(role, tally));
            }
        }
        view
    }

    fn row(
        &mut self,
        key: EdgeKey,
        now: Duration,
        name: &mut impl FnMut(IpAddr) -> Answer,
    ) -> Option<EdgeRow> {
        let wait = self.limits.name_wait;
        let edge = self.edges.get_mut(&key)?;
        let peer = key.peer.ip();
        let name = match &edge.name {
            Some(name) => Arc::clone(name),
            None => match name(peer) {
                Answer::Known(name) => name,
                Answer::Pending if now.saturating_sub(edge.since) < wait => return None,
                Answer::Pending => Arc::from(""),
            },
        };
        edge.name = Some(Arc::clone(&name));
        Some(EdgeRow {
            role: key.role,
            local: Some(key.local.ip()),
            peer: Peer::Address(peer),
            name,
            unique: edge.tally.open + edge.tally.brief,
            opened: edge.tally.is_connection.then_some(edge.tally.opened),
            failed: edge.tally.failed,
        })
    }

    fn expire(&mut self, now: Duration) {
        let ttl = self.limits.edge_ttl;
        let shown = &mut self.shown;
        self.edges.retain(|key, edge| {
            let stays = edge.tally.open > 0 || now.saturating_sub(edge.last_used) < ttl;
            if !stays && !edge.is_folded {
                *shown.of_mut(key.role) -= 1;
            }
            stays
        });
    }
}

fn source(key: &EdgeKey) -> crate::flow::Address {
    match key.role {
        Role::Inbound => key.peer,
        Role::Outbound => key.local,
    }
}

fn other_row(role: Role, tally: &Tally) -> EdgeRow {
    EdgeRow {
        role,
        local: None,
        peer: Peer::Other,
        name: Arc::from(""),
        unique: tally.open + tally.brief,
        opened: tally.is_connection.then_some(tally.opened),
        failed: tally.failed,
    }
}
