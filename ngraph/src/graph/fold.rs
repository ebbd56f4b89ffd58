//! Folds the smallest edges of a direction into one, conserving the sums.

use super::{Graph, edge::EdgeKey};
use crate::flow::Role;

impl Graph {
    /// Folds edges of `role` until a file has room for them and for the `other` edge.
    pub(super) fn fold(&mut self, role: Role) {
        let shown = *self.shown.of(role);
        // Once something was folded, the `other` edge takes a place of its own.
        let is_other = self.other.of(role).weight() > 0 || shown > self.limits.max_edges;
        let room = self.limits.max_edges.saturating_sub(usize::from(is_other));
        if shown <= room {
            return;
        }
        let excess = shown - room;
        let mut order = self.by_weight(role);
        if excess < order.len() {
            order.select_nth_unstable(excess);
        }
        for &(_, key) in order.iter().take(excess) {
            self.fold_one(key);
        }
    }

    fn by_weight(&self, role: Role) -> Vec<(u64, EdgeKey)> {
        (self.edges.iter())
            .filter(|(key, edge)| key.role == role && !edge.is_folded)
            .map(|(key, edge)| (edge.tally.weight(), *key))
            .collect()
    }

    fn fold_one(&mut self, key: EdgeKey) {
        let Some(edge) = self.edges.get_mut(&key) else {
            return;
        };
        edge.is_folded = true;
        edge.name = None;
        self.other.of_mut(key.role).add(&edge.tally);
        *self.shown.of_mut(key.role) -= 1;
        *self.folded.of_mut(key.role) += 1;
        if edge.tally.open == 0 {
            self.edges.remove(&key);
        }
    }
}
