//! Connections that were told of by number alone, since the ring buffer was full. Until the
//! next snapshot, one that it finds may be one of them: counted already.

use std::collections::BTreeMap;

use crate::flow::{Flow, Role};

/// How many connections of each edge may be open that the live set doesn't hold. Bounded by
/// the kernel side's overflow map, and emptied by snapshots.
#[derive(Debug, Default)]
pub(super) struct Alike {
    /// Told of since the snapshot in hand began: the next one decides about them.
    young: BTreeMap<(Role, Flow), i64>,
    /// Told of before.
    old: BTreeMap<(Role, Flow), i64>,
}

impl Alike {
    /// Connections opened.
    pub fn opened(&mut self, role: Role, flow: &Flow, count: u64) {
        *self.young.entry(key(role, flow)).or_default() += count as i64;
    }

    /// One of them is over, and was never found. This may be told before they are.
    pub fn closed(&mut self, role: Role, flow: &Flow) {
        *self.young.entry(key(role, flow)).or_default() -= 1;
    }

    /// A snapshot begins.
    pub fn begin_snapshot(&mut self) {
        for (key, count) in std::mem::take(&mut self.young) {
            *self.old.entry(key).or_default() += count;
        }
    }

    /// Whether a connection that a snapshot found is one of them.
    pub fn find(&mut self, role: Role, flow: &Flow) -> bool {
        let key = key(role, flow);
        let counts = [self.old.get(&key), self.young.get(&key)];
        if counts.into_iter().flatten().sum::<i64>() <= 0 {
            return false;
        }
        *self.old.entry(key).or_default() -= 1;
        true
    }

    /// A snapshot is taken in: what it didn't find of those told of before is over.
    pub fn end_snapshot(&mut self) {
        self.old.retain(|_, count| *count < 0);
        for (key, debt) in std::mem::take(&mut self.old) {
            if let Some(count) = self.young.get_mut(&key) {
                *count += debt;
            }
        }
        self.young.retain(|_, count| *count != 0);
    }
}

fn key(role: Role, flow: &Flow) -> (Role, Flow) {
    (role, Flow { local_port: 0, peer_port: 0, ..*flow })
}
