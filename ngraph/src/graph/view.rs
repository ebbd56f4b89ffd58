//! What a file shows of the graph, and what ends with the file.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    Answer, Graph,
    edge::{Edge, EdgeKey, Tally},
};
use crate::{
    flow::{Reason, Role},
    labels::Marker,
};

/// The edges of one file, in the order of direction, source, destination, labels.
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
    /// The labels that are asked for; none for the `other` edge, which has many of each.
    pub labels: Vec<(&'static str, String)>,
    /// Connections open now.
    pub open: u64,
    /// Those, and those that opened and closed since the file before.
    pub unique: u64,
    /// Connections opened since the agent started; none where there were only attempts.
    pub opened: Option<u64>,
    /// Failed attempts since the agent started, by index of [`Reason::ALL`].
    pub failed: [u64; Reason::ALL.len()],
    /// How long the edge has been there; nothing for the `other` edge.
    pub age: Duration,
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
    /// The edges for a file, folded to the budget. `marker` knows their labels, `name` tells a
    /// peer's name. Edges whose name is still awaited are left out and keep their counts for the
    /// next file. Until [`Graph::file_written`] the same counts are given again.
    pub fn file(
        &mut self,
        now: Duration,
        marker: &Marker,
        mut name: impl FnMut(IpAddr) -> Answer,
    ) -> View {
        self.expire(now);
        for role in Role::ALL {
            self.fold(role);
        }
        let mut view = View::default();
        for key in self.keys(marker) {
            match self.row(key, now, marker, &mut name) {
                Some(row) => view.rows.push(row),
                None => view.waiting += 1,
            }
        }
        view.rows.extend(self.others());
        view
    }

    /// The edges as they are at this moment, without waiting for names; changes nothing.
    pub fn present(
        &self,
        now: Duration,
        marker: &Marker,
        mut name: impl FnMut(IpAddr) -> Answer,
    ) -> View {
        let row = |key: EdgeKey| {
            let edge = self.edges.get(&key)?;
            let name = match (&edge.name, &mut name) {
                (Some(name), _) => Arc::clone(name),
                (None, name) => match name(key.peer.ip()) {
                    Answer::Known(name) => name,
                    Answer::Pending => Arc::from(""),
                },
            };
            Some(edge_row(&key, edge, name, marker, now))
        };
        let mut rows: Vec<EdgeRow> = self.keys(marker).into_iter().filter_map(row).collect();
        rows.extend(self.others());
        View { rows, waiting: 0 }
    }

    /// Those that aren't folded, in their order.
    fn keys(&self, marker: &Marker) -> Vec<EdgeKey> {
        let mut keys: Vec<EdgeKey> =
            (self.edges.iter()).filter(|(_, edge)| !edge.is_folded).map(|(key, _)| *key).collect();
        let place = |key: &EdgeKey| (key.role, source(key), key.local, key.peer);
        keys.sort_unstable_by(|one, other| {
            let by_labels = || marker.order(one.mark, other.mark);
            place(one).cmp(&place(other)).then_with(by_labels)
        });
        keys
    }

    /// Those that are, together.
    fn others(&self) -> impl Iterator<Item = EdgeRow> {
        Role::ALL.into_iter().filter_map(|role| {
            let tally = self.other.of(role);
            (tally.weight() > 0).then(|| other_row(role, tally))
        })
    }

    fn row(
        &mut self,
        key: EdgeKey,
        now: Duration,
        marker: &Marker,
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
        Some(edge_row(&key, edge, name, marker, now))
    }

    /// Edges on which nothing has happened for too long go.
    pub fn expire(&mut self, now: Duration) {
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

fn edge_row(key: &EdgeKey, edge: &Edge, name: Arc<str>, marker: &Marker, now: Duration) -> EdgeRow {
    let tally = &edge.tally;
    EdgeRow {
        role: key.role,
        local: Some(key.local.ip()),
        peer: Peer::Address(key.peer.ip()),
        name,
        labels: marker.shown(key.mark),
        open: tally.open,
        unique: tally.open + tally.brief,
        opened: tally.is_connection.then_some(tally.opened),
        failed: tally.failed,
        age: now.saturating_sub(edge.since),
    }
}

fn other_row(role: Role, tally: &Tally) -> EdgeRow {
    EdgeRow {
        role,
        local: None,
        peer: Peer::Other,
        name: Arc::from(""),
        labels: Vec::new(),
        open: tally.open,
        unique: tally.open + tally.brief,
        opened: tally.is_connection.then_some(tally.opened),
        failed: tally.failed,
        age: Duration::ZERO,
    }
}
