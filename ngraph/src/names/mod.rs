//! Names of peers by reverse lookup: asked for at once, answered from a cache, never waited for.
//!
//! Invariant: nothing here knows the clock (`now` is an argument), edges or the file. Lookups
//! are tasks of the caller's tokio runtime, started with `tokio::spawn`; one thread is enough.

mod cache;
pub mod hostname;
pub mod hosts;
mod lookups;
pub mod resolver;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc, time::Duration};

use cache::{Cache, Outcome};
use lookups::{Ended, Lookups};
pub use resolver::{Dns, Resolve};

/// The names of peers, as far as they are known.
pub struct Names {
    cache: Cache,
    lookups: Option<Lookups>,
    /// A lookup that `ended` saw and `collect` has yet to take.
    seen: Option<Ended>,
    answered: u64,
    unanswered: u64,
}

/// What `Names::ask` gives at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name; empty if the peer has none or nobody told it in time.
    Known(Arc<str>),
    /// The first lookup is running, or waits for a place: ask again later.
    Pending,
}

/// What is spent on names.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lookups running at the same time.
    pub at_once: usize,
    /// Addresses waiting behind them.
    pub queued: usize,
    /// Time for one lookup, with all its attempts.
    pub lookup_time: Duration,
    /// How long a name is good.
    pub known_for: Duration,
    /// How long a peer without a name, or without an answer, isn't asked about again.
    pub failed_for: Duration,
    /// Addresses remembered. Each costs about 200 bytes with a usual name, so that the default
    /// is 7 MB when full, and 15 MB if every name is as long as names can be. More than the
    /// default series budget of both directions, or the cache would forget names in use.
    pub entries: usize,
}

/// Numbers for the agent's own metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Lookups that a resolver answered, be it with a name or with none.
    pub lookups_ok: u64,
    /// Lookups that ended in an error or without an answer in time.
    pub lookups_failed: u64,
    /// Addresses remembered, those being looked up included.
    pub cached: usize,
    /// Lookups running or waiting.
    pub pending: usize,
    /// Addresses that may be remembered at a time.
    pub most: usize,
    /// How often an address had to make way for another, or found no room.
    pub crowded: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 16,
            queued: 4_096,
            lookup_time: Duration::from_secs(2),
            known_for: Duration::from_secs(30 * 60),
            failed_for: Duration::from_secs(2 * 60),
            entries: 32_768,
        }
    }
}

impl Names {
    /// Starts looking up names with `resolver`; must be called within a tokio runtime.
    pub fn start<R: Resolve>(resolver: R, limits: Limits) -> Self {
        Self::new(Some(Lookups::start(resolver, &limits)), &limits)
    }

    /// Gives every peer the empty name at once, and asks nobody.
    pub fn off() -> Self {
        Self::new(None, &Limits::default())
    }

    fn new(lookups: Option<Lookups>, limits: &Limits) -> Self {
        Self { cache: Cache::new(limits), lookups, seen: None, answered: 0, unanswered: 0 }
    }

    /// Gives what is known of `peer` at `now`, and has it looked up where that is due.
    ///
    /// Never waits. A name whose time is over is given until the next one is there. If the
    /// queue is full nothing is looked up: the peer is asked for again at the next file.
    pub fn ask(&mut self, peer: IpAddr, now: Duration) -> Answer {
        let Some(lookups) = &self.lookups else {
            return Answer::Known(Arc::default());
        };
        let peer = peer.to_canonical();
        let found = self.cache.get(peer, now);
        if found.is_due
            && let Some(place) = lookups.place()
            && self.cache.begin(peer)
        {
            place.send(peer);
        }
        found.name.map_or(Answer::Pending, Answer::Known)
    }

    /// Takes the lookups that have ended into the cache, and counts them. Never waits.
    pub fn collect(&mut self, now: Duration) -> usize {
        let mut count = 0;
        while let Some(ended) = self.next_ended() {
            match ended.outcome {
                Outcome::Named(_) | Outcome::Nameless => self.answered += 1,
                Outcome::Unanswered => self.unanswered += 1,
            }
            self.cache.finish(ended.peer, ended.outcome, now);
            count += 1;
        }
        count
    }

    /// Waits until `collect` has something to take: for ever, if no lookup is running.
    ///
    /// To be raced against a deadline; dropping it loses nothing.
    pub async fn ended(&mut self) {
        if self.seen.is_some() {
            return;
        }
        if let Some(lookups) = &mut self.lookups {
            self.seen = lookups.ended().await;
        }
        if self.seen.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Gives the numbers for the agent's own metrics.
    pub fn stats(&self) -> Stats {
        Stats {
            lookups_ok: self.answered,
            lookups_failed: self.unanswered,
            cached: self.cache.len(),
            pending: self.cache.pending(),
            most: self.cache.most(),
            crowded: self.cache.crowded(),
        }
    }

    fn next_ended(&mut self) -> Option<Ended> {
        let seen = self.seen.take();
        seen.or_else(|| self.lookups.as_mut()?.try_ended())
    }
}
