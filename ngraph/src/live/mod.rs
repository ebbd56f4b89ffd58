//! The live connection set: which connections are open. Fed by observations, mended by
//! snapshots. Pure: no clock, no I/O, no errors.

mod alike;
mod by_flow;
mod reconcile;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use alike::Alike;
use by_flow::ByFlow;
pub use reconcile::{Repairs, Sight};

use crate::{
    flow::{Flow, Reason, Role},
    observe::{ConnId, Observation},
};

/// What becomes of the graph when the set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A connection is there.
    Opened {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// Whether it opened while we looked; not if it was there at the start.
        is_new: bool,
    },
    /// A connection is gone.
    Closed {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// Whether it had opened since the file before.
        is_brief: bool,
    },
    /// Connections opened that the set doesn't hold: brief, unless they are found.
    OpenedAlike {
        /// Between whom.
        flow: Flow,
        /// The sockets' part in them.
        role: Role,
        /// How many.
        count: u64,
    },
    /// One of the connections of [`Change::OpenedAlike`] is there.
    Found {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
    },
    /// Outbound attempts failed.
    Failed {
        /// Between whom.
        flow: Flow,
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
    },
}

/// The connections that are open. Costs about 200 bytes a connection.
#[derive(Debug)]
pub struct LiveSet {
    conns: HashMap<ConnId, Conn>,
    by_flow: ByFlow,
    /// How many connections it may hold.
    room: usize,
    /// Connections that found no room.
    turned_away: u64,
    /// Whether one that found no room may be open still.
    is_partial: bool,
    /// Connections that no event names.
    alike: Alike,
    /// Number of the file that is being gathered.
    file: u32,
    /// Number of the last snapshot that was reconciled.
    snapshot: u32,
    /// Flows closed since the snapshot in hand began: its rows of them are out of date.
    closed_since: Option<HashSet<Flow>>,
    /// Whether there were more of them than it may hold: then no row can be believed that
    /// shows a connection which isn't in the set.
    is_overrun: bool,
    /// Next serial number of a connection that a snapshot finds.
    found: u64,
}

/// How many ends are remembered while a snapshot is made, 44 bytes each and as much again.
const CLOSED_MOST: usize = 1 << 15;

#[derive(Debug)]
struct Conn {
    flow: Flow,
    role: Role,
    /// Interface that its socket is bound to; 0: none, or a snapshot found it, which shows none.
    link: u32,
    /// File that was being gathered when it opened; `None`: it was there at the start.
    file: Option<u32>,
    /// Last snapshot that saw it, or is too old to see it.
    snapshot: u32,
    /// Snapshots in a row that should have seen it and didn't.
    absent: u8,
    /// Whether a snapshot found it and took it for one that was told of by number.
    is_alike: bool,
    /// Whether the last that could have seen it didn't, and proves nothing by that.
    is_unseen: bool,
}

impl LiveSet {
    /// An empty set with room for so many connections.
    pub fn new(room: usize) -> Self {
        Self {
            conns: HashMap::new(),
            by_flow: ByFlow::default(),
            room,
            turned_away: 0,
            is_partial: false,
            alike: Alike::default(),
            file: 0,
            snapshot: 0,
            closed_since: None,
            is_overrun: false,
            found: 0,
        }
    }

    /// Takes an observation in and tells `sink` what changed.
    pub fn apply(&mut self, observation: Observation, mut sink: impl FnMut(Change)) {
        match observation {
            Observation::Opened { id, flow, link, role, may_be_known, .. } => {
                let id = id.unwrap_or_else(|| self.serial());
                let is_known = may_be_known && self.adopt(id, &flow, link);
                if !is_known {
                    self.open(id, flow, link, role, &mut sink);
                }
            }
            Observation::OpenedAlike { flow, role, count } => {
                self.alike.opened(role, &flow, count);
                sink(Change::OpenedAlike { flow, role, count });
            }
            // An edge is between hosts, whoever owns its ends.
            Observation::Owned { .. } => {}
            Observation::Closed(id) => self.close(id, &mut sink),
            Observation::ClosedUnnamed { flow, alike } => {
                // The hooks know the connections that they named by their identity.
                match self.by_flow.unnamed(&flow) {
                    Some(id) => self.close(id, &mut sink),
                    None => {
                        alike.into_iter().for_each(|role| self.alike.closed(role, &flow));
                        self.note_closed(flow);
                    }
                }
            }
            Observation::Failed { flow, reason, count, .. } => {
                sink(Change::Failed { flow, reason, count });
            }
        }
    }

    /// Connections that found no room in the set: counted, and not followed.
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    /// A file is written: what opens from here on belongs to the next.
    pub fn file_written(&mut self) {
        self.file = self.file.wrapping_add(1);
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.conns.len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.conns.is_empty()
    }

    /// From here on, connections are known by their flows alone: who named them is gone.
    pub fn forget_names(&mut self) {
        let mut conns: Vec<(ConnId, Conn)> = self.conns.drain().collect();
        conns.sort_unstable_by_key(|(id, _)| *id);
        self.by_flow = ByFlow::default();
        for (_, conn) in conns {
            let id = self.serial();
            self.by_flow.insert(conn.flow, id);
            self.conns.insert(id, conn);
        }
    }

    /// Gives a connection that a snapshot found the identity that an event tells of it.
    fn adopt(&mut self, id: ConnId, flow: &Flow, link: u32) -> bool {
        let Some(found) = self.by_flow.unnamed(flow) else {
            return false;
        };
        // One of those told of by number would have no event any more: it was taken for another
        // one, and isn't counted yet.
        if self.conns.get(&found).is_some_and(|conn| conn.is_alike) {
            return false;
        }
        let Some(conn) = self.conns.remove(&found) else {
            return false;
        };
        self.by_flow.remove(flow, found);
        self.by_flow.insert(*flow, id);
        self.conns.insert(id, Conn { link, ..conn });
        true
    }

    fn open(
        &mut self,
        id: ConnId,
        flow: Flow,
        link: u32,
        role: Role,
        sink: &mut impl FnMut(Change),
    ) {
        if self.conns.contains_key(&id) {
            return;
        }
        // The kernel gives a flow to one socket of a link at a time. The end of the one before
        // is lost, or on its way: another processor reports it.
        let is_before = |id: &ConnId| self.conns.get(id).is_some_and(|conn| conn.link == link);
        let before = self.by_flow.of(&flow).find(is_before);
        if let Some(before) = before {
            if before.sock == 0 {
                self.alike.overtaken(&flow);
            }
            self.close(before, sink);
        }
        if self.insert(id, flow, link, role, Some(self.file)) {
            sink(Change::Opened { flow, role, is_new: true });
        } else {
            sink(Change::OpenedAlike { flow, role, count: 1 });
        }
    }

    /// An identity for a connection that no hook named.
    fn serial(&mut self) -> ConnId {
        self.found += 1;
        ConnId { sock: 0, opened_ns: self.found }
    }

    /// Holds a connection, if there is room.
    fn insert(&mut self, id: ConnId, flow: Flow, link: u32, role: Role, file: Option<u32>) -> bool {
        if self.conns.len() >= self.room {
            self.turned_away += 1;
            self.is_partial = true;
            return false;
        }
        // What is told of while a snapshot is made may have opened after its row was read. By
        // the order and not by the time: the kernel side's clock may be another than ours.
        let is_in_hand = self.closed_since.is_some();
        let snapshot = self.snapshot.wrapping_add(u32::from(is_in_hand));
        let (absent, is_alike, is_unseen) = (0, false, false);
        let conn = Conn { flow, role, link, file, snapshot, absent, is_alike, is_unseen };
        self.conns.insert(id, conn);
        self.by_flow.insert(flow, id);
        true
    }

    fn close(&mut self, id: ConnId, sink: &mut impl FnMut(Change)) {
        let Some(conn) = self.conns.remove(&id) else {
            return;
        };
        let Conn { flow, role, file, .. } = conn;
        self.by_flow.remove(&flow, id);
        self.note_closed(flow);
        sink(Change::Closed { flow, role, is_brief: file == Some(self.file) });
    }

    fn note_closed(&mut self, flow: Flow) {
        let Some(closed) = &mut self.closed_since else {
            return;
        };
        if closed.len() < CLOSED_MOST {
            closed.insert(flow);
        } else {
            self.is_overrun = true;
        }
    }
}
