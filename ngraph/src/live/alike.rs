//! Connections that were told of by number alone, since the ring buffer was full. Until the
//! next snapshot, one that it finds may be one of them: counted already.
//!
//! What can't be told apart: a flow whose end was counted too, and which is used again before
//! a snapshot has shown it free. The set then holds the first connection for the second.

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{Flow, Role};

/// How many connections of each edge may be open that the live set doesn't hold. Bounded by
/// the kernel side's overflow map, and emptied by snapshots.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// Told of since the snapshot in hand began, before it, and before the one before it. The
    /// last are over if this one doesn't find them: as with any connection, two absences are
    /// an end.
    ages: [BTreeMap<(Role, Flow), i64>; 3],
    /// Flows whose connection was found and has made way for the next before its end was told.
    overtaken: BTreeSet<Flow>,
}

impl Alike {
    /// Connections opened.
    pub fn opened(&mut self, role: Role, flow: &Flow, count: u64) {
        *self.ages[0].entry(key(role, flow)).or_default() += count as i64;
    }

    /// One that was found makes way for the next connection of its flow.
    pub fn overtaken(&mut self, flow: &Flow) {
        self.overtaken.insert(*flow);
    }

    /// One of them is over, and isn't among those found. This may be told before they are.
    pub fn closed(&mut self, role: Role, flow: &Flow) {
        if !self.overtaken.remove(flow) && !self.take(key(role, flow)) {
            *self.ages[0].entry(key(role, flow)).or_default() -= 1;
        }
    }

    /// A snapshot begins.
    pub fn begin_snapshot(&mut self) {
        let [young, old, oldest] = &mut self.ages;
        add(oldest, std::mem::take(old));
        add(old, std::mem::take(young));
    }

    /// Whether a connection that a snapshot found is one of them.
    pub fn find(&mut self, role: Role, flow: &Flow) -> bool {
        let key = key(role, flow);
        let open: i64 = self.ages.iter().filter_map(|counts| counts.get(&key)).sum();
        open > 0 && self.take(key)
    }

    /// A snapshot is taken in: what it and the one before didn't find is over.
    pub fn end_snapshot(&mut self) {
        self.overtaken.clear();
        self.ages[2].clear();
        for counts in &mut self.ages {
            // Ends without a beginning are of those that were taken for over.
            counts.retain(|_, count| *count > 0);
        }
    }

    /// Whether any of them may be open and not found yet.
    pub fn is_empty(&self) -> bool {
        self.ages.iter().all(BTreeMap::is_empty)
    }

    /// One less of the oldest, if there is one: any of an edge may be it.
    fn take(&mut self, key: (Role, Flow)) -> bool {
        let counts = self.ages.iter_mut().rev().filter_map(|counts| counts.get_mut(&key));
        match counts.into_iter().find(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }
}

fn add(to: &mut BTreeMap<(Role, Flow), i64>, from: BTreeMap<(Role, Flow), i64>) {
    for (key, count) in from {
        *to.entry(key).or_default() += count;
    }
}

fn key(role: Role, flow: &Flow) -> (Role, Flow) {
    (role, Flow { local_port: 0, peer_port: 0, ..*flow })
}
