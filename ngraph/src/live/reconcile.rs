//! Mends the live set by a snapshot, and counts what there was to mend.

use super::{Change, LiveSet};
use crate::{
    flow::NetnsId,
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
    /// Whether events were lost since the snapshot before: an absence needs no second one.
    pub is_lossy: bool,
    /// Whether this is the first snapshot: what it finds was there before us.
    pub is_first: bool,
}

impl LiveSet {
    /// A snapshot is about to begin: until it is reconciled, ends are remembered.
    pub fn begin_snapshot(&mut self) {
        self.closed_since = Some(Default::default());
    }

    /// Mends the set by `snapshot`, after every event of its time has been applied.
    pub fn reconcile(
        &mut self,
        snapshot: &Snapshot,
        sight: Sight,
        mut sink: impl FnMut(Change),
    ) -> Repairs {
        self.snapshot = self.snapshot.wrapping_add(1);
        let closed_since = self.closed_since.take().unwrap_or_default();
        let mut repairs = Repairs::default();
        for row in &snapshot.rows {
            if let Some(conn) = self.by_flow.get(&row.flow).and_then(|id| self.conns.get_mut(id)) {
                conn.snapshot = self.snapshot;
                conn.absent = 0;
            } else if row.state == RowState::Connection && !closed_since.contains(&row.flow) {
                self.found += 1;
                let id = ConnId { sock: 0, opened_ns: self.found };
                let role = snapshot.listeners.role_of(&row.flow);
                let file = (!sight.is_first).then_some(self.file);
                let began_ns = snapshot.began.as_nanos() as u64;
                self.insert(id, row.flow, role, began_ns, file);
                sink(Change::Opened { flow: row.flow, role, is_new: !sight.is_first });
                repairs.opened += u64::from(!sight.is_first);
            }
        }
        for id in self.absent_from(snapshot, sight, &mut repairs) {
            self.close(id, &mut sink);
            repairs.closed += 1;
        }
        repairs
    }

    /// Connections that this snapshot proves gone.
    fn absent_from(
        &mut self,
        snapshot: &Snapshot,
        sight: Sight,
        repairs: &mut Repairs,
    ) -> Vec<ConnId> {
        let needed = if sight.is_lossy { 1 } else { 2 };
        let began_ns = snapshot.began.as_nanos() as u64;
        let covers = |netns: NetnsId| snapshot.namespaces.contains(&netns);
        let mut gone = Vec::new();
        #[expect(clippy::iter_over_hash_type, reason = "which goes first can't be seen")]
        for (&id, conn) in &mut self.conns {
            let is_judged = covers(conn.flow.netns) || !sight.sees_ends || sight.is_lossy;
            if conn.snapshot == self.snapshot || conn.opened_ns >= began_ns || !is_judged {
                continue;
            }
            conn.absent += 1;
            if conn.absent >= needed {
                gone.push(id);
            } else {
                repairs.suspects += 1;
            }
        }
        gone
    }
}
