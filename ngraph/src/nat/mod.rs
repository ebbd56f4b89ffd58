//! Where outbound connections really go: who dials a service's address is answered by another,
//! as the kernel's table of tracked connections tells.
//!
//! Of a destination that isn't known one connection is looked up. If nothing was translated, no
//! other one is for a while; if it was, each is, since a service has many that answer.

pub mod message;
pub mod table;

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, ensure};
use log::warn;
use rustix::thread::{CapabilitySet, capabilities};

use crate::{
    config::Config,
    flow::{Address, Endpoint, Flow, NetnsId},
    labels::Label,
};
use message::Answer;
use table::Table;

/// How long a destination is what it was found to be.
const HOLDS: Duration = Duration::from_secs(60);
/// The same where its connection wasn't tracked: it may have been too short, or the first.
const UNTRACKED: Duration = Duration::from_secs(10);
/// Destinations that are kept, about 60 bytes each.
const MOST: usize = 8_192;

/// What answers questions about connections.
pub trait Ask {
    /// Who answers the connection that a socket with this flow opened.
    ///
    /// # Errors
    /// Where nobody can be asked.
    fn ask(&mut self, flow: &Flow) -> Result<Answer>;
}

/// What became of lookups, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Another answers than was dialled.
    pub translated: u64,
    /// Who was dialled answers.
    pub plain: u64,
    /// The connection isn't in the table.
    pub untracked: u64,
    /// The kernel gave no answer.
    pub failed: u64,
}

/// Whether connections are to be looked up: where some are tracked, or a label asks for it.
pub fn is_useful(config: &Config) -> bool {
    config.labels.contains(&Label::Service) || table::tracked().is_some_and(|count| count > 0)
}

/// Sees that this thread may ask.
///
/// # Errors
/// Where it may not.
pub fn permitted() -> Result<()> {
    let held = capabilities(None)?.effective;
    ensure!(held.contains(CapabilitySet::NET_ADMIN), "it needs CAP_NET_ADMIN");
    Ok(())
}

/// Knows which destinations are translated.
#[derive(Debug)]
pub struct Translator<A> {
    table: A,
    own: NetnsId,
    destinations: HashMap<Destination, Known>,
    /// What became of lookups.
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Destination {
    netns: NetnsId,
    peer: Address,
    port: u16,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    is_translated: bool,
    until: Duration,
}

impl Translator<Table> {
    /// For sockets of this namespace, and of others whose packets pass through it.
    ///
    /// # Errors
    /// Where the table can't be asked.
    pub fn open(own: NetnsId) -> Result<Self> {
        Ok(Self::new(Table::open()?, own))
    }
}

impl<A: Ask> Translator<A> {
    /// Asks `table`, which is the namespace `own`'s.
    pub fn new(table: A, own: NetnsId) -> Self {
        let (destinations, counts) = (HashMap::new(), Counts::default());
        Self { table, own, destinations, counts }
    }

    /// Who answers an outbound connection, if it is another than was dialled.
    pub fn backend(&mut self, flow: &Flow, now: Duration) -> Option<Endpoint> {
        let Flow { netns, peer, peer_port, local_port, .. } = *flow;
        // What another namespace has on its loopback interface doesn't pass through this one.
        let passes = netns == self.own || !peer.ip().is_loopback();
        if !passes || local_port == 0 || peer_port == 0 {
            return None;
        }
        let destination = Destination { netns, peer, port: peer_port };
        let known = self.destinations.get(&destination).filter(|known| now < known.until);
        let was_translated = known.is_some_and(|known| known.is_translated);
        if known.is_some() && !was_translated {
            return None;
        }
        let (backend, holds) = self.look(flow);
        // One that isn't found any more says nothing of those to come.
        let is_translated = backend.is_some() || was_translated;
        if self.destinations.len() >= MOST && !self.destinations.contains_key(&destination) {
            self.destinations.clear();
        }
        self.destinations.insert(destination, Known { is_translated, until: now + holds });
        backend
    }

    fn look(&mut self, flow: &Flow) -> (Option<Endpoint>, Duration) {
        let dialled = Endpoint { address: flow.peer, port: flow.peer_port };
        match self.table.ask(flow) {
            Ok(Answer::Answers(endpoint)) if endpoint == dialled => {
                self.counts.plain += 1;
                (None, HOLDS)
            }
            Ok(Answer::Answers(endpoint)) => {
                self.counts.translated += 1;
                (Some(endpoint), HOLDS)
            }
            Ok(Answer::Untracked) => {
                self.counts.untracked += 1;
                (None, UNTRACKED)
            }
            Ok(Answer::Failed(code)) => {
                self.fail(&std::io::Error::from_raw_os_error(code).into());
                (None, UNTRACKED)
            }
            Err(err) => {
                self.fail(&err);
                (None, UNTRACKED)
            }
        }
    }

    fn fail(&mut self, err: &anyhow::Error) {
        if self.counts.failed == 0 {
            warn!(
                "ask for a tracked connection: {err:#}; outbound edges are as dialled (needs CAP_NET_ADMIN)"
            );
        }
        self.counts.failed += 1;
    }
}

#[cfg(test)]
mod tests;
