//! The live connection set: which connections are open. Fed by observations, mended by
//! snapshots. Pure: no clock, no I/O, no errors.

mod alike;
mod conns;
mod reconcile;
#[cfg(test)]
mod tests;

use std::time::Duration;

use foldhash::HashSet;
use ngraph_common::event::FlowEvent;

use alike::Alike;
use conns::Conns;
pub use reconcile::{Repairs, Sight};

use crate::{
    flow::{Address, Flow, Owner, Reason, Role},
    labels::{Mark, Marker},
    observe::{ConnId, Observation},
};

/// What becomes of the connections when the set changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A connection is there.
    Opened {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// Its labels.
        mark: Mark,
        /// Whether it opened while we looked; not if it was there at the start.
        is_new: bool,
    },
    /// A connection is gone.
    Closed {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// Its labels.
        mark: Mark,
        /// Whether it had opened since the file before.
        is_brief: bool,
    },
    /// A connection that is there has other labels: its owner is told of.
    Relabelled {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// Its labels until here.
        from: Mark,
        /// Its labels from here on.
        mark: Mark,
        /// Whether it opened since the file before, so that no file has told of it.
        is_untold: bool,
    },
    /// Connections opened that the set doesn't hold: brief, unless they are found.
    OpenedAlike {
        /// Between whom.
        flow: Flow,
        /// The sockets' part in them.
        role: Role,
        /// Their labels.
        mark: Mark,
        /// How many.
        count: u64,
    },
    /// One of the connections of [`Change::OpenedAlike`] is there.
    Found {
        /// Between whom.
        flow: Flow,
        /// The socket's part in it.
        role: Role,
        /// The labels of those.
        mark: Mark,
    },
    /// Outbound attempts failed.
    Failed {
        /// Between whom.
        flow: Flow,
        /// Their labels.
        mark: Mark,
        /// Why.
        reason: Reason,
        /// How many.
        count: u64,
    },
}

/// Who is told of changes, and makes something of them.
pub trait Follower {
    /// Takes in a change; `now` is the boot time.
    fn apply(&mut self, change: &Change, now: Duration);

    /// The record that tells of the changes from here on; none: a snapshot, or a number.
    fn witness(&mut self, _record: Option<&FlowEvent>) {}

    /// Peers that came up since the last call, whose names will be asked for.
    fn take_new_peers(&mut self) -> Vec<Address> {
        Vec::new()
    }
}

/// The connections that are open. Costs about 100 bytes a connection, and as much again where it
/// has just grown.
#[derive(Debug)]
pub struct LiveSet {
    conns: Conns,
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
    id: ConnId,
    flow: Flow,
    role: Role,
    mark: Mark,
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

impl Conn {
    /// Whether no hook named it.
    fn is_unnamed(&self) -> bool {
        self.id.sock == 0
    }
}

impl LiveSet {
    /// An empty set with room for so many connections.
    pub fn new(room: usize) -> Self {
        Self {
            conns: Conns::default(),
            room: room.min(Conns::MOST),
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

    /// Takes an observation in and tells `sink` what changed, with labels from `marker`, who
    /// knows what they mean.
    pub fn apply(
        &mut self,
        observation: Observation,
        marker: &mut Marker,
        mut sink: impl FnMut(&Marker, Change),
    ) {
        match observation {
            Observation::Opened { id, flow, link, role, owner, may_be_known } => {
                let id = id.unwrap_or_else(|| self.serial());
                if may_be_known && self.adopt(id, &flow, link) {
                    owner.into_iter().for_each(|owner| self.own(id, &owner, marker, &mut sink));
                } else {
                    let mark = marker.mark(&flow, role, owner.as_ref());
                    self.open(id, flow, link, (role, mark), marker, &mut sink);
                }
            }
            Observation::OpenedAlike { flow, role, count } => {
                self.alike.opened(role, &flow, count);
                let mark = marker.mark(&flow, role, None);
                sink(marker, Change::OpenedAlike { flow, role, mark, count });
            }
            Observation::Owned { id, owner } => self.own(id, &owner, marker, &mut sink),
            Observation::Closed(id) => self.close(id, marker, &mut sink),
            Observation::ClosedUnnamed { flow, alike } => {
                // The hooks know the connections that they named by their identity.
                match self.conns.find(&flow, Conn::is_unnamed) {
                    Some(conn) => self.close(conn.id, marker, &mut sink),
                    None => {
                        alike.into_iter().for_each(|role| self.alike.closed(role, &flow));
                        self.note_closed(flow);
                    }
                }
            }
            Observation::Spare { .. } => {}
            Observation::Failed { flow, reason, count, owner, .. } => {
                let mark = marker.mark(&flow, Role::Outbound, owner.as_ref());
                sink(marker, Change::Failed { flow, mark, reason, count });
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

    /// The labels of those that are open.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.conns.values().map(|conn| conn.mark)
    }

    /// Those that are open, in no order.
    pub fn connections(&self) -> impl Iterator<Item = (Flow, Role, Mark)> {
        self.conns.values().map(|conn| (conn.flow, conn.role, conn.mark))
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
        let mut ids: Vec<ConnId> = self.conns.values().map(|conn| conn.id).collect();
        ids.sort_unstable();
        for id in ids {
            let serial = self.serial();
            self.conns.rename(&id, serial);
        }
    }

    /// Gives a connection that a snapshot found the identity that an event tells of it.
    fn adopt(&mut self, id: ConnId, flow: &Flow, link: u32) -> bool {
        if self.conns.contains(&id) {
            return false;
        }
        let Some(found) = self.conns.find_mut(flow, Conn::is_unnamed) else {
            return false;
        };
        // One of those told of by number would have no event any more: it was taken for another
        // one, and isn't counted yet.
        if found.is_alike {
            return false;
        }
        found.link = link;
        let serial = found.id;
        self.conns.rename(&serial, id);
        true
    }

    fn open(
        &mut self,
        id: ConnId,
        flow: Flow,
        link: u32,
        (role, mark): (Role, Mark),
        marker: &Marker,
        sink: &mut impl FnMut(&Marker, Change),
    ) {
        if self.conns.contains(&id) {
            return;
        }
        // The kernel gives a flow to one socket of a link at a time. The end of the one before
        // is lost, or on its way: another processor reports it.
        if let Some(before) = self.conns.find(&flow, |conn| conn.link == link) {
            if before.is_unnamed() {
                self.alike.overtaken(&flow);
            }
            self.close(before.id, marker, sink);
        }
        if self.insert(id, flow, link, role, mark, Some(self.file)) {
            sink(marker, Change::Opened { flow, role, mark, is_new: true });
        } else {
            self.turned_away += 1;
            sink(marker, Change::OpenedAlike { flow, role, mark, count: 1 });
        }
    }

    /// A connection has an owner, who may be known already.
    fn own(
        &mut self,
        id: ConnId,
        owner: &Owner,
        marker: &mut Marker,
        sink: &mut impl FnMut(&Marker, Change),
    ) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let mark = marker.owned(conn.mark, owner);
        let from = std::mem::replace(&mut conn.mark, mark);
        if from != mark {
            let Conn { flow, role, file, .. } = *conn;
            let is_untold = file == Some(self.file);
            sink(marker, Change::Relabelled { flow, role, from, mark, is_untold });
        }
    }

    /// An identity for a connection that no hook named.
    fn serial(&mut self) -> ConnId {
        self.found += 1;
        ConnId { sock: 0, opened_ns: self.found }
    }

    /// Holds a connection, if there is room.
    fn insert(
        &mut self,
        id: ConnId,
        flow: Flow,
        link: u32,
        role: Role,
        mark: Mark,
        file: Option<u32>,
    ) -> bool {
        if self.conns.len() >= self.room {
            self.is_partial = true;
            return false;
        }
        // What is told of while a snapshot is made may have opened after its row was read. By
        // the order and not by the time: the kernel side's clock may be another than ours.
        let is_in_hand = self.closed_since.is_some();
        let snapshot = self.snapshot.wrapping_add(u32::from(is_in_hand));
        let (absent, is_alike, is_unseen) = (0, false, false);
        let conn = Conn { id, flow, role, mark, link, file, snapshot, absent, is_alike, is_unseen };
        self.conns.insert(conn);
        true
    }

    fn close(&mut self, id: ConnId, marker: &Marker, sink: &mut impl FnMut(&Marker, Change)) {
        let Some(conn) = self.conns.remove(&id) else {
            return;
        };
        let Conn { flow, role, mark, file, .. } = conn;
        self.note_closed(flow);
        sink(marker, Change::Closed { flow, role, mark, is_brief: file == Some(self.file) });
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
