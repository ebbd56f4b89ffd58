//! The connections themselves, in one place each, and two tables of those places: by identity
//! and by flow. A snapshot asks for each of a hundred thousand by its flow; so that this is one
//! look into a small table and one at the connection, a table holds four bytes of each.

use std::{collections::BTreeSet, hash::BuildHasher as _};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;

use super::Conn;
use crate::{flow::Flow, observe::ConnId};

/// Where a connection is. Identities and flows come from the network, so what a table is by is
/// hashed with keys of each run's own; what that comes to nobody outside can see.
type Place = u32;

/// Connections by their identity and by their flow.
#[derive(Debug, Default)]
pub(super) struct Conns {
    all: Slab<Conn>,
    by_id: HashTable<Place>,
    /// The last that was put in, of each flow.
    by_flow: HashTable<Place>,
    /// Those before it: sockets bound to different links may have the same addresses and
    /// ports, since each link has link-local addresses of its own.
    twins: BTreeSet<(Flow, Place)>,
    hasher: RandomState,
}

impl Conns {
    /// The most that there is place for.
    pub const MOST: usize = Place::MAX as usize;

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn contains(&self, id: &ConnId) -> bool {
        self.place(id).is_some()
    }

    pub fn get_mut(&mut self, id: &ConnId) -> Option<&mut Conn> {
        self.place(id).map(|at| &mut self.all[at as usize])
    }

    /// The last of a flow that is `it`.
    pub fn find(&self, flow: &Flow, is_it: impl Fn(&Conn) -> bool) -> Option<&Conn> {
        self.find_place(flow, is_it).map(|at| &self.all[at as usize])
    }

    /// As [`Conns::find`], to be changed: not its identity, nor its flow.
    pub fn find_mut(&mut self, flow: &Flow, is_it: impl Fn(&Conn) -> bool) -> Option<&mut Conn> {
        self.find_place(flow, is_it).map(|at| &mut self.all[at as usize])
    }

    /// In no order that means anything.
    pub fn values(&self) -> impl Iterator<Item = &Conn> {
        self.all.iter().map(|(_, conn)| conn)
    }

    /// As [`Conns::values`], to be changed as for [`Conns::find_mut`].
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Conn> {
        self.all.iter_mut().map(|(_, conn)| conn)
    }

    /// Puts a connection in whose identity isn't there.
    pub fn insert(&mut self, conn: Conn) {
        let (id, flow) = (conn.id, conn.flow);
        let at = self.all.insert(conn) as Place;
        self.index(id, at);
        let Self { all, by_flow, twins, hasher, .. } = self;
        let hash = hasher.hash_one(flow);
        match by_flow.find_mut(hash, |&at| all[at as usize].flow == flow) {
            Some(last) => {
                twins.insert((flow, std::mem::replace(last, at)));
            }
            None => {
                by_flow.insert_unique(hash, at, |&at| hasher.hash_one(all[at as usize].flow));
            }
        }
    }

    pub fn remove(&mut self, id: &ConnId) -> Option<Conn> {
        let at = self.unindex(id)?;
        let flow = self.all[at as usize].flow;
        let hash = self.hasher.hash_one(flow);
        match self.by_flow.find_entry(hash, |&last| last == at) {
            Ok(mut last) => {
                let range = (flow, Place::MIN)..=(flow, Place::MAX);
                match self.twins.range(range).next().copied() {
                    Some(twin) => {
                        *last.get_mut() = twin.1;
                        self.twins.remove(&twin);
                    }
                    None => {
                        last.remove();
                    }
                }
            }
            Err(_) => {
                self.twins.remove(&(flow, at));
            }
        }
        Some(self.all.remove(at as usize))
    }

    /// Gives a connection another identity, which isn't there.
    pub fn rename(&mut self, id: &ConnId, to: ConnId) {
        if let Some(at) = self.unindex(id) {
            self.all[at as usize].id = to;
            self.index(to, at);
        }
    }

    fn place(&self, id: &ConnId) -> Option<Place> {
        let hash = self.hasher.hash_one(id);
        self.by_id.find(hash, |&at| self.all[at as usize].id == *id).copied()
    }

    fn index(&mut self, id: ConnId, at: Place) {
        let Self { all, by_id, hasher, .. } = self;
        let hash = hasher.hash_one(id);
        by_id.insert_unique(hash, at, |&at| hasher.hash_one(all[at as usize].id));
    }

    fn unindex(&mut self, id: &ConnId) -> Option<Place> {
        let hash = self.hasher.hash_one(id);
        let entry = self.by_id.find_entry(hash, |&at| self.all[at as usize].id == *id).ok()?;
        Some(entry.remove().0)
    }

    fn find_place(&self, flow: &Flow, is_it: impl Fn(&Conn) -> bool) -> Option<Place> {
        let hash = self.hasher.hash_one(flow);
        let last = *self.by_flow.find(hash, |&at| self.all[at as usize].flow == *flow)?;
        let range = (*flow, Place::MIN)..=(*flow, Place::MAX);
        let twins = self.twins.range(range).map(|&(_, at)| at);
        std::iter::once(last).chain(twins).find(|&at| is_it(&self.all[at as usize]))
    }
}
