//! What of a graph changes with the options of a running agent.

use std::{net::IpAddr, time::Duration};

use super::{Graph, Limits};

impl Graph {
    /// Other bounds, from the next file on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Names are told by somebody else from here on: each edge waits for one as a new edge does.
    pub fn forget_names(&mut self, now: Duration) {
        let mut peers = Vec::new();
        for (key, edge) in self.edges.iter_mut().filter(|(_, edge)| !edge.is_folded) {
            edge.name = None;
            edge.since = now;
            peers.push(key.peer);
        }
        peers.sort_unstable();
        peers.dedup();
        self.new_peers = peers;
    }

    /// Drops the edges of all other peers. What was folded of theirs stays in the sums of what has
    /// happened, and isn't open any more.
    pub fn retain(&mut self, is_wanted: impl Fn(IpAddr) -> bool) {
        let Self { edges, shown, other, .. } = self;
        edges.retain(|key, edge| {
            let stays = is_wanted(key.peer.ip());
            if !stays && edge.is_folded {
                let other = other.of_mut(key.role);
                other.open = other.open.saturating_sub(edge.tally.open);
            } else if !stays {
                *shown.of_mut(key.role) -= 1;
            }
            stays
        });
    }
}
