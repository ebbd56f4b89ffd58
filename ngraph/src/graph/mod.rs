//! The graph: edges between addresses with their counts. Fed by changes of the live set.
//! Pure: no clock, no I/O, no errors.

mod edge;
mod fold;
mod reload;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use foldhash::HashMap;

pub use edge::EdgeKey;
pub use view::{EdgeRow, Peer, View};

pub use crate::names::Answer;
use crate::{
    flow::{Address, Role},
    labels::Mark,
    live::{Change, Follower},
};
use edge::{Edge, Tally, Told};

/// What bounds the graph.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Edges per direction in a file, the one that the rest is folded into included.
    pub max_edges: usize,
    /// How long an edge without a connection stays.
    pub edge_ttl: Duration,
    /// How long an edge waits for its peer's name before it is shown without one.
    pub name_wait: Duration,
}

/// Edges by direction, addresses and labels.
///
/// An edge costs about 200 bytes. Between two files there may be twice as many as a file
/// may hold; past that the smallest are folded at once.
#[derive(Debug)]
pub struct Graph {
    limits: Limits,
    edges: HashMap<EdgeKey, Edge>,
    /// How many of `edges` are of each direction and not folded.
    shown: PerRole<usize>,
    /// What was folded, by direction.
    other: PerRole<Tally>,
    /// Peers of edges made since they were last taken.
    new_peers: Vec<Address>,
    /// How many edges were folded since the start, by direction.
    folded: PerRole<u64>,
}

/// One of something for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerRole<T> {
    inbound: T,
    outbound: T,
}

impl<T> PerRole<T> {
    /// One for each direction.
    pub const fn new(inbound: T, outbound: T) -> Self {
        Self { inbound, outbound }
    }

    /// What `value` gives for each direction.
    pub fn from_fn(mut value: impl FnMut(Role) -> T) -> Self {
        Self { inbound: value(Role::Inbound), outbound: value(Role::Outbound) }
    }

    /// That of `role`.
    pub fn of(&self, role: Role) -> &T {
        match role {
            Role::Inbound => &self.inbound,
            Role::Outbound => &self.outbound,
        }
    }

    /// That of `role`, to be changed.
    pub fn of_mut(&mut self, role: Role) -> &mut T {
        match role {
            Role::Inbound => &mut self.inbound,
            Role::Outbound => &mut self.outbound,
        }
    }
}

impl Graph {
    /// An empty graph.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            edges: HashMap::default(),
            shown: PerRole::default(),
            other: PerRole::default(),
            folded: PerRole::default(),
            new_peers: Vec::new(),
        }
    }
}

impl Follower for Graph {
    fn apply(&mut self, change: &Change, now: Duration) {
        match change {
            Change::Opened { flow, role, mark, is_new } => {
                self.tally(EdgeKey::new(*role, flow, *mark), now, |tally| {
                    tally.open += 1;
                    tally.opened += u64::from(*is_new);
                    tally.is_connection = true;
                });
            }
            Change::Closed { flow, role, mark, is_brief } => {
                let key = EdgeKey::new(*role, flow, *mark);
                let is_untold = *is_brief || self.is_passed_over(&key);
                self.tally(key, now, |tally| {
                    tally.open = tally.open.saturating_sub(1);
                    tally.brief += u64::from(is_untold);
                });
            }
            Change::Relabelled { flow, role, from, mark, is_untold } => {
                let untold = u64::from(*is_untold);
                let from = EdgeKey::new(*role, flow, *from);
                self.tally(from, now, |tally| {
                    tally.open = tally.open.saturating_sub(1);
                    tally.opened = tally.opened.saturating_sub(untold);
                });
                self.tally(EdgeKey::new(*role, flow, *mark), now, |tally| {
                    tally.open += 1;
                    tally.opened += untold;
                    tally.is_connection = true;
                });
                self.forget_nothing(from);
            }
            Change::OpenedAlike { flow, role, mark, count } => {
                self.tally(EdgeKey::new(*role, flow, *mark), now, |tally| {
                    tally.brief += count;
                    tally.opened += count;
                    tally.is_connection = true;
                });
            }
            Change::Found { flow, role, mark } => {
                let key = EdgeKey::new(*role, flow, *mark);
                let was_brief = self.edges.get(&key).is_some_and(|edge| edge.tally.brief > 0);
                self.tally(key, now, |tally| {
                    tally.open += 1;
                    tally.brief = tally.brief.saturating_sub(u64::from(was_brief));
                    tally.is_connection = true;
                });
            }
            Change::Failed { flow, mark, reason, count } => {
                let key = EdgeKey::new(Role::Outbound, flow, *mark);
                self.tally(key, now, |tally| tally.failed[*reason as usize] += count);
            }
        }
    }

    /// Those of the edges made since: so their names are there for the next file.
    fn take_new_peers(&mut self) -> Vec<Address> {
        std::mem::take(&mut self.new_peers)
    }
}

impl Graph {
    /// Connections open now in one direction.
    pub fn open(&self, role: Role) -> u64 {
        let edges: u64 = (self.edges.iter())
            .filter(|(key, edge)| key.role == role && !edge.is_folded)
            .map(|(_, edge)| edge.tally.open)
            .sum();
        edges + self.other.of(role).open
    }

    /// The labels of every edge.
    pub fn marks(&self) -> impl Iterator<Item = Mark> {
        self.edges.keys().map(|key| key.mark)
    }

    /// The file that [`Graph::file`] gave is written: what it showed as brief is told.
    pub fn file_written(&mut self) {
        #[expect(clippy::iter_over_hash_type, reason = "every edge is treated alike")]
        for edge in self.edges.values_mut() {
            // One without a name wasn't in the file, unless in `other`.
            if edge.name.is_some() || edge.is_folded {
                edge.tally.brief = 0;
                edge.told = Told::Shown;
            } else if edge.told == Told::NotYet {
                edge.told = Told::PassedOver;
            }
        }
        for role in Role::ALL {
            self.other.of_mut(role).brief = 0;
        }
    }

    /// Whether files have been written without it, and none with it.
    fn is_passed_over(&self, key: &EdgeKey) -> bool {
        self.edges.get(key).is_some_and(|edge| edge.told == Told::PassedOver)
    }

    /// Edges of one direction that aren't folded.
    pub fn edges(&self, role: Role) -> usize {
        *self.shown.of(role)
    }

    /// Edges of one direction folded since the start.
    pub fn folded(&self, role: Role) -> u64 {
        *self.folded.of(role)
    }

    /// An edge whose connections turned out to be another's never was: no file has told of it.
    fn forget_nothing(&mut self, key: EdgeKey) {
        let is_nothing = |edge: &Edge| edge.tally.is_nothing() && !edge.is_folded;
        if self.edges.get(&key).is_some_and(is_nothing) {
            self.edges.remove(&key);
            *self.shown.of_mut(key.role) -= 1;
        }
    }

    /// Counts on an edge, made if need be. A folded edge keeps its own count of open
    /// connections, so that it knows when it has none left, and counts on `other`.
    fn tally(&mut self, key: EdgeKey, now: Duration, count: impl Fn(&mut Tally)) {
        let most = self.limits.max_edges.saturating_mul(2);
        if !self.edges.contains_key(&key) {
            if *self.shown.of(key.role) >= most {
                self.fold(key.role);
            }
            *self.shown.of_mut(key.role) += 1;
            self.edges.insert(key, Edge::new(now));
            self.new_peers.push(key.peer);
        }
        let Some(edge) = self.edges.get_mut(&key) else {
            return;
        };
        edge.last_used = now;
        count(&mut edge.tally);
        if edge.is_folded {
            count(self.other.of_mut(key.role));
            if edge.tally.open == 0 {
                self.edges.remove(&key);
            }
        }
    }
}
