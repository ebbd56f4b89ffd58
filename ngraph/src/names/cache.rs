//! What is known of each peer's name, for how long, and which lookups are running.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use super::Limits;

/// Address to name, with an end for every answer and a cap on all of them.
pub(super) struct Cache {
    entries: BTreeMap<IpAddr, Entry>,
    /// The entries without a running lookup, by the end of their time.
    ends: BTreeSet<(Duration, IpAddr)>,
    max_entries: usize,
    crowded: u64,
    known_for: Duration,
    failed_for: Duration,
}

/// What the cache says about an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The last name, empty for none; `None` before the first lookup has ended.
    pub(super) name: Option<Arc<str>>,
    /// The name is missing or too old and no lookup is running.
    pub(super) is_due: bool,
}

/// How a lookup ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The address has this name.
    Named(Arc<str>),
    /// The address has no name, or none that is a host name.
    Nameless,
    /// Nobody knows: no answer in time, or an error.
    Unanswered,
}

struct Entry {
    name: Option<Arc<str>>,
    until: Duration,
    is_pending: bool,
}

impl Cache {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            ends: BTreeSet::new(),
            max_entries: limits.entries,
            crowded: 0,
            known_for: limits.known_for,
            failed_for: limits.failed_for,
        }
    }

    /// Says what is known of `peer`: an old name is better than none until the next is there.
    pub(super) fn get(&self, peer: IpAddr, now: Duration) -> Found {
        match self.entries.get(&peer) {
            Some(entry) => {
                Found { name: entry.name.clone(), is_due: !entry.is_pending && entry.until <= now }
            }
            None => Found { name: None, is_due: true },
        }
    }

    /// Notes that a lookup of `peer` runs; false if there is no room for another address.
    pub(super) fn begin(&mut self, peer: IpAddr) -> bool {
        if let Some(entry) = self.entries.get_mut(&peer) {
            entry.is_pending = true;
            self.ends.remove(&(entry.until, peer));
            return true;
        }
        if self.entries.len() >= self.max_entries {
            self.crowded += 1;
            if !self.evict() {
                return false;
            }
        }
        let entry = Entry { name: None, until: Duration::ZERO, is_pending: true };
        self.entries.insert(peer, entry);
        true
    }

    /// Takes the outcome of the lookup of `peer` that `begin` noted.
    ///
    /// A peer keeps its name while nobody answers: a name server that is down for a while
    /// must not rename every series.
    pub(super) fn finish(&mut self, peer: IpAddr, outcome: Outcome, now: Duration) {
        let Some(entry) = self.entries.get_mut(&peer).filter(|entry| entry.is_pending) else {
            return;
        };
        let (name, lasts) = match outcome {
            Outcome::Named(name) => (name, self.known_for),
            Outcome::Nameless => (Arc::default(), self.failed_for),
            Outcome::Unanswered => (entry.name.take().unwrap_or_default(), self.failed_for),
        };
        *entry = Entry { name: Some(name), until: now.saturating_add(lasts), is_pending: false };
        self.ends.insert((entry.until, peer));
    }

    /// Counts the addresses with an entry.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many addresses there may be.
    pub(super) fn most(&self) -> usize {
        self.max_entries
    }

    /// How often an address had to make way for another, or found no room.
    pub(super) fn crowded(&self) -> u64 {
        self.crowded
    }

    /// Counts the running and the waiting lookups.
    pub(super) fn pending(&self) -> usize {
        self.entries.len() - self.ends.len()
    }

    /// Removes the entry that ends first: so expired ones go before all others, failures
    /// before names, and of the names the oldest.
    fn evict(&mut self) -> bool {
        let Some((_, peer)) = self.ends.pop_first() else {
            return false;
        };
        self.entries.remove(&peer).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn cache(entries: usize) -> Cache {
        Cache::new(&Limits { entries, ..Limits::default() })
    }

    fn peer(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn named(name: &str) -> Outcome {
        Outcome::Named(name.into())
    }

    fn learn(cache: &mut Cache, n: u8, outcome: Outcome, now: Duration) {
        assert!(cache.begin(peer(n)));
        cache.finish(peer(n), outcome, now);
    }

    fn found(name: Option<&str>, is_due: bool) -> Found {
        Found { name: name.map(Arc::from), is_due }
    }

    #[test]
    fn a_running_lookup_is_not_due_again() {
        let mut cache = cache(9);
        assert_eq!(cache.get(peer(1), SECOND), found(None, true));
        assert!(cache.begin(peer(1)));
        assert_eq!(cache.get(peer(1), SECOND), found(None, false));
        assert_eq!(cache.pending(), 1);
    }

    #[test]
    fn name_lasts_half_an_hour_and_is_given_until_the_next() {
        let (mut cache, end) = (cache(9), Duration::from_secs(1800));
        learn(&mut cache, 1, named("a"), Duration::ZERO);
        assert_eq!(cache.get(peer(1), end - SECOND), found(Some("a"), false));
        assert_eq!(cache.get(peer(1), end), found(Some("a"), true));
        assert!(cache.begin(peer(1)));
        assert_eq!(cache.get(peer(1), end), found(Some("a"), false));
        cache.finish(peer(1), named("b"), end);
        assert_eq!(cache.get(peer(1), end), found(Some("b"), false));
    }

    #[test]
    fn failure_lasts_two_minutes() {
        let (mut cache, end) = (cache(9), Duration::from_secs(120));
        for (n, outcome) in [(1, Outcome::Nameless), (2, Outcome::Unanswered)] {
            learn(&mut cache, n, outcome, Duration::ZERO);
            assert_eq!(cache.get(peer(n), end - SECOND), found(Some(""), false));
            assert_eq!(cache.get(peer(n), end), found(Some(""), true));
        }
    }

    #[test]
    fn name_outlives_a_dead_name_server_but_not_its_removal() {
        let (mut cache, later) = (cache(9), Duration::from_secs(7200));
        learn(&mut cache, 1, named("a"), Duration::ZERO);
        learn(&mut cache, 1, Outcome::Unanswered, later);
        assert_eq!(cache.get(peer(1), later), found(Some("a"), false));
        assert_eq!(cache.get(peer(1), later + 120 * SECOND), found(Some("a"), true));
        learn(&mut cache, 1, Outcome::Nameless, later);
        assert_eq!(cache.get(peer(1), later), found(Some(""), false));
    }

    #[test]
    fn full_cache_forgets_expired_then_failures_then_the_oldest() {
        let (mut cache, now) = (cache(4), Duration::from_secs(10_000));
        learn(&mut cache, 1, named("older"), now);
        learn(&mut cache, 2, named("newer"), now + SECOND);
        learn(&mut cache, 3, Outcome::Nameless, now + SECOND);
        learn(&mut cache, 4, named("expired"), now - 9_000 * SECOND);
        for (newcomer, gone) in [(5, 4), (6, 3), (7, 1)] {
            assert!(cache.begin(peer(newcomer)));
            assert_eq!(cache.get(peer(gone), now), found(None, true), "{gone}");
            assert_eq!(cache.len(), 4);
        }
        assert_eq!(cache.get(peer(2), now), found(Some("newer"), false));
    }

    #[test]
    fn pending_entries_are_never_forgotten() {
        let mut cache = cache(2);
        learn(&mut cache, 1, named("a"), Duration::ZERO);
        assert!(cache.begin(peer(1)));
        assert!(cache.begin(peer(2)));
        assert!(!cache.begin(peer(3)));
        assert_eq!(cache.get(peer(1), SECOND), found(Some("a"), false));
        cache.finish(peer(2), Outcome::Nameless, SECOND);
        assert!(cache.begin(peer(3)));
        assert_eq!((cache.len(), cache.pending()), (2, 2));
    }

    #[test]
    fn unasked_outcome_changes_nothing() {
        let mut cache = cache(2);
        cache.finish(peer(1), named("a"), SECOND);
        learn(&mut cache, 2, named("b"), SECOND);
        cache.finish(peer(2), named("c"), SECOND);
        assert_eq!(cache.get(peer(1), SECOND), found(None, true));
        assert_eq!(cache.get(peer(2), SECOND), found(Some("b"), false));
        assert_eq!(cache.len(), 1);
    }
}
