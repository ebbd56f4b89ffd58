//! What sockets there are at one time: the second witness beside the events.

pub mod held;
pub mod namespaces;
pub mod opens;
pub mod procfs;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;
use foldhash::HashSet;
use namespaces::Witnesses;

use crate::{
    config::Scope,
    flow::{Address, Flow, NetnsId, Role},
};

/// Where a snapshot looks.
#[derive(Debug)]
pub struct Look {
    /// The proc file system.
    pub root: PathBuf,
    /// Namespaces to look at.
    pub scope: Scope,
    /// What the iterator over open files tells, if there's one; or why it failed.
    pub held: Option<Result<File>>,
    /// Of which of them the TCP tables are read, too.
    pub tables: Tables,
    /// How many rows there will be, about: room that is made at once isn't moved as it grows.
    pub likely: usize,
}

/// Namespaces whose TCP tables are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tables {
    /// All in scope.
    All,
    /// These.
    Of(BTreeSet<NetnsId>),
}

impl Tables {
    /// No namespace's.
    pub const NONE: Self = Self::Of(BTreeSet::new());

    fn has(&self, netns: NetnsId) -> bool {
        match self {
            Self::All => true,
            Self::Of(namespaces) => namespaces.contains(&netns),
        }
    }
}

/// Takes a snapshot. `now` tells the boot time.
///
/// # Errors
/// Where the agent's own namespace can't be looked at. Other trouble is a problem noted in the
/// snapshot, which doesn't cover what it had to leave out.
pub fn take(look: Look, now: impl Fn() -> Duration) -> Result<Snapshot> {
    let Look { root, scope, held, mut tables, likely } = look;
    let began = now();
    let mut snapshot = Snapshot::default();
    let witnesses = match scope {
        Scope::Own => namespaces::own(&root)?,
        Scope::All => namespaces::all(&root, &mut snapshot.problems)?,
    };
    if let Some(held) = held
        && let Err(err) = held.and_then(|held| held::read(held, likely, &mut snapshot))
    {
        snapshot.problems.push(format!("every TCP table is read instead: {err:#}"));
        tables = Tables::All;
    }
    let (read, listed): (Witnesses, Witnesses) =
        witnesses.into_iter().partition(|(netns, _)| tables.has(*netns));
    for (netns, processes) in listed {
        let process = processes.first().map(ToString::to_string).unwrap_or_default();
        snapshot.processes.insert(netns, process);
    }
    procfs::read(&root, scope, read, &mut snapshot)?;
    snapshot.is_whole = tables == Tables::All;
    snapshot.took = now().saturating_sub(began);
    Ok(snapshot)
}

/// The sockets of some namespaces. No table is a picture of one moment: rows are from
/// any time while it was made, and one may be missing while the table changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// How long reading took.
    pub took: Duration,
    /// Connections and attempts.
    pub rows: Vec<Row>,
    /// Listening sockets.
    pub listeners: Listeners,
    /// Namespaces whose tables were read: what isn't in the rows wasn't there.
    pub namespaces: BTreeSet<NetnsId>,
    /// Whether those were to be all in scope.
    pub is_whole: bool,
    /// A process of each namespace in scope, as the proc file system calls it.
    pub processes: BTreeMap<NetnsId, String>,
    /// What couldn't be read, a sentence each.
    pub problems: Vec<String>,
}

/// A socket that is or wants to be a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Between whom.
    pub flow: Flow,
    /// Whether it is one.
    pub state: RowState,
}

/// What a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// A socket that has been established and isn't closed.
    Connection,
    /// An outbound attempt: it confirms one that is known and makes none.
    Attempt,
}

/// Listening sockets, for the direction of connections that no event told of.
#[derive(Debug, Default)]
pub struct Listeners(HashSet<(NetnsId, Address, u16)>);

impl Listeners {
    /// Whether a socket listens there.
    pub fn has(&self, netns: NetnsId, local: Address, port: u16) -> bool {
        self.0.contains(&(netns, local, port))
    }

    /// Adds a listening socket.
    pub fn insert(&mut self, netns: NetnsId, local: Address, port: u16) {
        self.0.insert((netns, local, port));
    }

    /// Inbound where a socket of the namespace listens on the flow's own address and port.
    pub fn role_of(&self, flow: &Flow) -> Role {
        const ANY_V6: Address = Address([0; 16]);
        const ANY_V4: Address = Address([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
        let is_v4 = flow.local.ip().is_ipv4();
        let listens = |local| self.has(flow.netns, local, flow.local_port);
        // A listener on [::] takes IPv4 too, unless it says otherwise, which no table shows.
        if listens(flow.local) || listens(ANY_V6) || (is_v4 && listens(ANY_V4)) {
            Role::Inbound
        } else {
            Role::Outbound
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn flow(local: &str, local_port: u16) -> Flow {
        let local: IpAddr = local.parse().unwrap();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        Flow { netns: NetnsId(1), local: local.into(), local_port, peer: peer.into(), peer_port: 5 }
    }

    #[test]
    fn direction_comes_from_the_listening_sockets_and_not_from_the_port() {
        let mut listeners = Listeners::default();
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        listeners.insert(NetnsId(1), any.into(), 50051);
        assert_eq!(listeners.role_of(&flow("10.0.0.1", 50051)), Role::Inbound);
        assert_eq!(listeners.role_of(&flow("10.0.0.1", 2000)), Role::Outbound);
        let elsewhere = Flow { netns: NetnsId(2), ..flow("10.0.0.1", 50051) };
        assert_eq!(listeners.role_of(&elsewhere), Role::Outbound);
    }

    #[test]
    fn a_dual_stack_listener_takes_ipv4_and_an_ipv4_one_takes_no_ipv6() {
        let mut listeners = Listeners::default();
        let any: IpAddr = "::".parse().unwrap();
        listeners.insert(NetnsId(1), any.into(), 443);
        assert_eq!(listeners.role_of(&flow("10.0.0.1", 443)), Role::Inbound);
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        listeners.insert(NetnsId(1), any.into(), 80);
        assert_eq!(listeners.role_of(&flow("2001:db8::1", 80)), Role::Outbound);
    }
}
