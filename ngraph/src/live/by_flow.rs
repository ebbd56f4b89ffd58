//! Which connections a flow has: one, unless several links have it.

use std::collections::{BTreeSet, HashMap};

use crate::{flow::Flow, observe::ConnId};

/// Connections by their flow.
#[derive(Debug, Default)]
pub(super) struct ByFlow {
    /// The last that was put in, of each flow.
    last: HashMap<Flow, ConnId>,
    /// Those before it: sockets bound to different links may have the same addresses and
    /// ports, since each link has link-local addresses of its own.
    twins: BTreeSet<(Flow, ConnId)>,
}

impl ByFlow {
    pub fn insert(&mut self, flow: Flow, id: ConnId) {
        if let Some(twin) = self.last.insert(flow, id) {
            self.twins.insert((flow, twin));
        }
    }

    pub fn remove(&mut self, flow: &Flow, id: ConnId) {
        if self.last.get(flow) != Some(&id) {
            self.twins.remove(&(*flow, id));
            return;
        }
        let twin = self.twins(flow).next();
        match twin {
            Some(twin) => {
                self.twins.remove(&(*flow, twin));
                self.last.insert(*flow, twin);
            }
            None => {
                self.last.remove(flow);
            }
        }
    }

    /// All of a flow, the last one first.
    pub fn of(&self, flow: &Flow) -> impl Iterator<Item = ConnId> {
        self.last.get(flow).copied().into_iter().chain(self.twins(flow))
    }

    /// One of a flow that no hook named.
    pub fn unnamed(&self, flow: &Flow) -> Option<ConnId> {
        self.of(flow).find(|id| id.sock == 0)
    }

    fn twins(&self, flow: &Flow) -> impl Iterator<Item = ConnId> {
        const LEAST: ConnId = ConnId { sock: 0, opened_ns: 0 };
        const MOST: ConnId = ConnId { sock: u64::MAX, opened_ns: u64::MAX };
        self.twins.range((*flow, LEAST)..=(*flow, MOST)).map(|&(_, id)| id)
    }
}
