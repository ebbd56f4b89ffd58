//! Joins what agents tell into hosts and links, by the rules of `deploy/prometheus`: a host is all
//! the addresses that one agent alone calls its own, and what both ends tell of is one link.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    figures::Figures,
    fleet::{Fleet, Host, Kind, Link, Seen},
    report::{Agent, Key, Report, Reports},
};
use crate::{flow::Role, graph::Peer};

/// One fleet of all that was told.
pub fn join(reports: &Reports) -> Fleet {
    let owners = Owners::of(reports);
    let mut links: BTreeMap<Ends, Sides> = BTreeMap::new();
    for (key, report) in &reports.edges {
        links.entry(owners.ends(key)).or_default().add(key.role, report);
    }
    links.retain(|_, sides| sides.figures().weight() > 0);
    let places: BTreeSet<Place> =
        links.keys().flat_map(|ends| [ends.source, ends.target]).collect();
    let index: BTreeMap<Place, usize> = places.iter().copied().zip(0..).collect();
    let links = links.into_iter().map(|(ends, sides)| Link {
        source: index[&ends.source],
        target: index[&ends.target],
        src: ends.src,
        dest: ends.dest,
        figures: sides.figures(),
        told: sides.has_connections,
        missing: owners.missing(&ends, &sides),
        ports: sides.ports,
        dialled: sides.dialled,
        seen: Seen::ALWAYS,
    });
    let links = links.collect();
    let hosts = places.into_iter().map(|place| owners.host(place, reports)).collect();
    Fleet::arranged(hosts, links, owners.notes())
}

/// Which agents call an address their own.
struct Owners(BTreeMap<IpAddr, BTreeSet<usize>>);

/// What a host is known by while hosts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Agent(usize),
    Address(IpAddr),
    OtherOf(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ends {
    source: Place,
    target: Place,
    src: Option<IpAddr>,
    dest: Option<IpAddr>,
}

/// What those who connect and those who accept tell of one link.
#[derive(Default)]
struct Sides {
    input: Option<Figures>,
    output: Option<Figures>,
    has_connections: [bool; 2],
    ports: BTreeSet<u16>,
    dialled: BTreeSet<String>,
}

impl Sides {
    /// Several agents may tell of the same side: containers with the same address.
    fn add(&mut self, role: Role, report: &Report) {
        let side = match role {
            Role::Inbound => &mut self.input,
            Role::Outbound => &mut self.output,
        };
        side.get_or_insert_default().add(&report.figures);
        self.has_connections[role as usize] |= report.has_connections;
        self.ports.extend(&report.ports);
        self.dialled.extend(report.dialled.iter().cloned());
    }

    /// Every connection has one end that opened it and one that accepted it, so both sides counted
    /// the same ones: their sum would be twice as many. Where fewer were seen at one end, the other
    /// knows.
    fn figures(&self) -> Figures {
        self.input.unwrap_or_default().max(&self.output.unwrap_or_default())
    }
}

impl Owners {
    fn of(reports: &Reports) -> Self {
        let mut owners: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for key in reports.edges.keys() {
            // Every host has a loopback of its own.
            if let Some(local) = key.local.filter(|local| !local.is_loopback()) {
                owners.entry(local).or_default().insert(key.agent);
            }
        }
        Self(owners)
    }

    fn ends(&self, key: &Key) -> Ends {
        let (local, peer) = match key.peer {
            Peer::Other => (Place::Agent(key.agent), Place::OtherOf(key.agent)),
            Peer::Address(peer) => match key.local {
                Some(local) if !local.is_loopback() && !peer.is_loopback() => {
                    (self.place(local), self.place(peer))
                }
                // Loopback stays inside its host.
                _ => (Place::Agent(key.agent), Place::Agent(key.agent)),
            },
        };
        let address = match key.peer {
            Peer::Other => None,
            Peer::Address(peer) => Some(peer),
        };
        match key.role {
            Role::Inbound => Ends { source: peer, target: local, src: address, dest: key.local },
            Role::Outbound => Ends { source: local, target: peer, src: key.local, dest: address },
        }
    }

    fn place(&self, address: IpAddr) -> Place {
        self.sole(address).map_or(Place::Address(address), Place::Agent)
    }

    /// The one agent that calls an address its own, if it is one.
    fn sole(&self, address: IpAddr) -> Option<usize> {
        let agents = self.0.get(&address)?;
        agents.first().copied().filter(|_| agents.len() == 1)
    }

    /// The silent end of a link, where an agent is there that should have told.
    fn missing(&self, ends: &Ends, sides: &Sides) -> Option<Role> {
        let is_missing = |role: Role, address: Option<IpAddr>| {
            let has_agent = address.is_some_and(|address| self.0.contains_key(&address));
            has_agent && !sides.has_connections[role as usize]
        };
        if ends.source == ends.target || sides.has_connections == [false; 2] {
            None
        } else if is_missing(Role::Inbound, ends.dest) {
            Some(Role::Inbound)
        } else {
            is_missing(Role::Outbound, ends.src).then_some(Role::Outbound)
        }
    }

    fn host(&self, place: Place, reports: &Reports) -> Host {
        let host = |id: String, name: String, kind: Kind, addresses| Host {
            id,
            name,
            kind,
            addresses,
            job: None,
            is_internal: matches!(kind, Kind::Agent | Kind::Internal | Kind::Shared),
            has_agent: kind == Kind::Agent,
            count: 1,
            seen: Seen::ALWAYS,
        };
        match place {
            Place::Agent(agent) => {
                let (told, addresses) = (&reports.agents[agent], self.addresses(agent));
                let (id, name) = called(told, &addresses, reports);
                Host { job: told.job.clone(), ..host(id, name, Kind::Agent, addresses) }
            }
            Place::OtherOf(agent) => {
                let (id, name) = called(&reports.agents[agent], &self.addresses(agent), reports);
                let [id, name] = [id, name].map(|it| format!("other of {it}"));
                host(id, name, Kind::Other, BTreeSet::new())
            }
            Place::Address(address) => {
                let kind =
                    if self.0.contains_key(&address) { Kind::Shared } else { Kind::of(address) };
                let id = address.to_string();
                let name = reports.names.get(&address).unwrap_or(&id).clone();
                host(id, name, kind, [address].into())
            }
        }
    }

    /// The addresses that are an agent's alone.
    fn addresses(&self, agent: usize) -> BTreeSet<IpAddr> {
        let own = self.0.iter().filter(|(_, agents)| agents.iter().eq([&agent]));
        own.map(|(address, _)| *address).collect()
    }

    fn notes(&self) -> Vec<String> {
        let shared = self.0.iter().filter(|(_, agents)| agents.len() > 1);
        let note = |(address, agents): (&IpAddr, &BTreeSet<usize>)| {
            format!("{address} stands for itself: {} hosts call it their own", agents.len())
        };
        shared.map(note).collect()
    }
}

/// The id and the name of an agent's host: what Prometheus calls it, else what peers do, else its
/// first address, else where it was read.
fn called(agent: &Agent, addresses: &BTreeSet<IpAddr>, reports: &Reports) -> (String, String) {
    let given = addresses.iter().filter_map(|address| reports.names.get(address)).min().cloned();
    let first = addresses.first().map(ToString::to_string);
    match &agent.instance {
        Some(instance) => {
            let host = without_port(instance);
            let is_name = host.trim_matches(['[', ']']).parse::<IpAddr>().is_err();
            let name = if is_name { Some(host.to_owned()) } else { given };
            (instance.clone(), name.unwrap_or_else(|| host.to_owned()))
        }
        None => {
            let id = first.unwrap_or_else(|| agent.source.clone());
            (id.clone(), given.unwrap_or(id))
        }
    }
}

/// `db1:9100` as `db1`; `fd00::1` has no port.
fn without_port(instance: &str) -> &str {
    match instance.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => {
            let is_address = host.contains(':') && !host.ends_with(']');
            if is_address { instance } else { host }
        }
        _ => instance,
    }
}

#[cfg(test)]
mod tests;
