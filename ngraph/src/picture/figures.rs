//! What is counted of an edge.

use crate::flow::Reason;

/// The counts of an edge, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Connections opened: since the agents started, or within the range asked for.
    pub opened: u64,
    /// Unique connections: open now, or opened and closed between an agent's last two files.
    pub unique: u64,
    /// Failed attempts, by index of [`Reason::ALL`].
    pub failed: [u64; Reason::ALL.len()],
}

impl Figures {
    /// Adds those of another edge. Saturates: a file may claim any number.
    pub fn add(&mut self, other: &Self) {
        self.opened = self.opened.saturating_add(other.opened);
        self.unique = self.unique.saturating_add(other.unique);
        for (sum, failed) in self.failed.iter_mut().zip(other.failed) {
            *sum = sum.saturating_add(failed);
        }
    }

    /// Of each the larger.
    #[must_use]
    pub fn max(mut self, other: &Self) -> Self {
        self.opened = self.opened.max(other.opened);
        self.unique = self.unique.max(other.unique);
        for (most, failed) in self.failed.iter_mut().zip(other.failed) {
            *most = failed.max(*most);
        }
        self
    }

    /// Connections: one that opened before its agent started is open now, and opened nowhere.
    pub fn connections(&self) -> u64 {
        self.opened.max(self.unique)
    }

    /// Failed attempts, for whatever reason.
    pub fn failures(&self) -> u64 {
        self.failed.iter().fold(0, |sum, &failed| sum.saturating_add(failed))
    }

    /// How much an edge counts: connections, and attempts at one.
    pub fn weight(&self) -> u64 {
        self.connections().saturating_add(self.failures())
    }

    /// The reasons that there were, each with its count.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = Reason::ALL.map(Reason::label).into_iter().zip(self.failed);
        counts.filter(|&(_, count)| count > 0)
    }
}
