//! Mends the live set by a snapshot, and counts what there was to mend.

use std::collections::BTreeSet;

use super::{Change, LiveSet};
use crate::{
    flow::{Flow, NetnsId, Role},
    labels::Marker,
    observe::ConnId,
    snapshot::{RowState, Snapshot},
};

/// What a snapshot found that the events had not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Connections that were there and not in the set.
    pub opened: u64,
    /// Connections that were in the set and gone.
    pub closed: u64,
    /// Connections missing once: the next snapshot decides. /proc/net/tcp may skip a row
    /// while it changes, so one absence is no end.
    pub suspects: u64,
}

/// What the hooks were able to see while the snapshot was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether they see connections end. If not, a namespace that no process shows any more
    /// has no connections; if so, their ends will be told.
    pub sees_ends: bool,
    /// Whether this snapshot mends what was lost since the one before: then the end of a
    /// connection may be, too, in a namespace that no process shows.
    pub is_lossy: bool,
    /// Whether this is the first snapshot: what it finds was there before us.
    pub is_first: bool,
}

/// Snapshots in a row that prove a connection gone. Whatever was lost: were one enough, a
/// row that /proc skipped would end a connection, and the next snapshot open it again.
const ABSENCES: u8 = 2;

impl LiveSet {
    /// A snapshot is about to begin, after every event until now has been applied: until it is
    /// reconciled, ends are remembered, and what opens isn't missed by it. `is_whole`: it is to
    /// show every connection.
    pub fn begin_snapshot(&mut self, is_whole: bool) {
        self.closed_since = Some(Default::default());
        if is_whole {
            self.alike.begin_snapshot();
        }
    }

    /// Mends the set by `snapshot`, after every event of its time has been applied.
    pub fn reconcile(
        &mut self,
        snapshot: &Snapshot,
        sight: Sight,
        marker: &mut Marker,
        mut sink: impl FnMut(&Marker, Change),
    ) -> Repairs {
        self.snapshot = self.snapshot.wrapping_add(1);
        let closed_since = self.closed_since.take().unwrap_or_default();
        let mut repairs = Repairs::default();
        let was_partial = self.is_partial;
        let is_overrun = std::mem::take(&mut self.is_overrun);
        // What it doesn't show, or can't be believed of, the next may.
        let leaves_some = is_overrun && (was_partial || sight.is_first);
        self.is_partial = leaves_some || was_partial && !snapshot.is_whole;
        for row in &snapshot.rows {
            if !self.is_confirmed(&row.flow)
                && row.state == RowState::Connection
                && !is_overrun
                && !closed_since.contains(&row.flow)
            {
                let role = snapshot.listeners.role_of(&row.flow);
                let is_counted = sight.is_first || was_partial;
                let has_room =
                    self.find(row.flow, role, is_counted, marker, &mut repairs, &mut sink);
                // Later ones were told of, and turned away then.
                self.turned_away += u64::from(!has_room && sight.is_first);
            }
        }
        if snapshot.is_whole {
            self.alike.end_snapshot();
        }
        for id in self.absent_from(snapshot, sight, &mut repairs) {
            self.close(id, marker, &mut sink);
            repairs.closed += 1;
        }
        repairs
    }

    /// Notes that a row shows one of the connections of its flow; false: there is none. Rows
    /// have no link, so of twins each row shows another: which one makes no edge differ.
    fn is_confirmed(&mut self, flow: &Flow) -> bool {
        let this = self.snapshot;
        match self.conns.find_mut(flow, |conn| conn.snapshot != this) {
            Some(conn) => {
                conn.snapshot = this;
                conn.absent = 0;
                conn.is_unseen = false;
                true
            }
            // All of them are shown, or there is none.
            None => self.conns.find(flow, |_| true).is_some(),
        }
    }

    /// Whether the next snapshot has to show every connection, and not only those that some
    /// process holds: one that it finds may have been counted already, and must not be found
    /// later than others.
    pub fn wants_all(&self) -> bool {
        self.is_partial || !self.alike.is_empty()
    }

    /// Namespaces to look at more closely after a snapshot, just reconciled, that shows no more
    /// than what some process holds: where a connection is that it doesn't show for the second
    /// time, or that was absent before. Once is nothing: it may not have been accepted yet.
    pub fn unseen(&mut self) -> BTreeSet<NetnsId> {
        let mut namespaces = BTreeSet::new();
        for conn in self.conns.values_mut().filter(|conn| conn.snapshot != self.snapshot) {
            let was_unseen = std::mem::replace(&mut conn.is_unseen, true);
            if was_unseen || conn.absent > 0 {
                namespaces.insert(conn.flow.netns);
            }
        }
        namespaces
    }

    /// Takes in a connection that no event told of, or only by number; false: it found no room.
    fn find(
        &mut self,
        flow: Flow,
        role: Role,
        is_counted: bool,
        marker: &mut Marker,
        repairs: &mut Repairs,
        sink: &mut impl FnMut(&Marker, Change),
    ) -> bool {
        let id = self.serial();
        let file = (!is_counted).then_some(self.file);
        // One that may be older than we are leaves those that were told of to the next.
        let is_alike = !is_counted && self.alike.find(role, &flow);
        // Those were told of without ports, and it stays among them.
        let told = if is_alike { Flow { local_port: 0, peer_port: 0, ..flow } } else { flow };
        let mark = marker.mark(&told, role, None);
        if !self.insert(id, flow, 0, role, mark, file) {
            // Of those without room, the ones that weren't counted yet can't be told.
            return false;
        }
        if is_alike {
            self.conns.get_mut(&id).into_iter().for_each(|conn| conn.is_alike = true);
            sink(marker, Change::Found { flow, role, mark });
        } else {
            sink(marker, Change::Opened { flow, role, mark, is_new: !is_counted });
            repairs.opened += u64::from(!is_counted);
        }
        true
    }

    /// Connections that this snapshot proves gone.
    fn absent_from(
        &mut self,
        snapshot: &Snapshot,
        sight: Sight,
        repairs: &mut Repairs,
    ) -> Vec<ConnId> {
        let is_covered = |netns: NetnsId| snapshot.namespaces.contains(&netns);
        let is_gone = |netns: NetnsId| {
            (!sight.sees_ends || sight.is_lossy) && !snapshot.processes.contains_key(&netns)
        };
        let mut gone = Vec::new();
        for conn in self.conns.values_mut() {
            let is_judged = is_covered(conn.flow.netns) || is_gone(conn.flow.netns);
            if conn.snapshot == self.snapshot || !is_judged {
                continue;
            }
            conn.absent += 1;
            if conn.absent >= ABSENCES {
                gone.push(conn.id);
            } else {
                repairs.suspects += 1;
            }
        }
        gone
    }
}
