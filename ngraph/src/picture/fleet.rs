//! All hosts and what flows between their addresses: what the picture is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::figures::Figures;
use crate::flow::Role;

/// Hosts, and links between them by index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// In the order of their ids, each of which is there once.
    pub hosts: Vec<Host>,
    /// In the order of their ends.
    pub links: Vec<Link>,
    /// What whoever looks at it should know.
    pub notes: Vec<String>,
}

/// A node: a host with all its addresses, an address that no agent calls its own, or many of
/// them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Unique in its fleet, and the same for the same input.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The label `job` of the agent on it.
    pub job: Option<String>,
    /// Whether it belongs to what is drawn: an agent is there, or its address is private.
    pub is_internal: bool,
    /// Whether an agent is there that tells of it.
    pub has_agent: bool,
    /// How many hosts it stands for.
    pub count: usize,
    /// When it was there.
    pub seen: Seen,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A host that an agent tells of.
    Agent,
    /// A private address without an agent.
    Internal,
    /// A public address without an agent.
    External,
    /// An address that several agents call their own, such as a container bridge's.
    Shared,
    /// The peers that a host's agent folded into one.
    Other,
    /// Several hosts together.
    Group,
}

impl Kind {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Agent => "host with an agent",
            Self::Internal => "private address",
            Self::External => "public address",
            Self::Shared => "address of several hosts",
            Self::Other => "folded peers",
            Self::Group => "group",
        }
    }

    /// The kind of an address that no agent calls its own.
    pub fn of(address: IpAddr) -> Self {
        if is_private(address) { Self::Internal } else { Self::External }
    }
}

impl Fleet {
    /// A fleet of hosts and links in any order, links by the hosts' places in theirs.
    pub(super) fn arranged(hosts: Vec<Host>, links: Vec<Link>, notes: Vec<String>) -> Self {
        let mut hosts: Vec<(usize, Host)> = hosts.into_iter().enumerate().collect();
        // Two may be called alike, say one by its instance and one by its address.
        let mut taken = BTreeSet::new();
        for (_, host) in &mut hosts {
            let plain = host.id.clone();
            for number in 2.. {
                if taken.insert(host.id.clone()) {
                    break;
                }
                host.id = format!("{plain} ({number})");
            }
        }
        hosts.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let index: BTreeMap<usize, usize> = hosts.iter().map(|(was, _)| *was).zip(0..).collect();
        let place = |host: usize| index[&host];
        let mut links: Vec<Link> = links
            .into_iter()
            .map(|link| Link { source: place(link.source), target: place(link.target), ..link })
            .collect();
        links.sort_by_key(|link| (link.source, link.target, link.src, link.dest));
        Self { hosts: hosts.into_iter().map(|(_, host)| host).collect(), links, notes }
    }
}

/// What goes from one address to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Index of the host that connects.
    pub source: usize,
    /// Index of the host that is connected to.
    pub target: usize,
    /// The address that connects; none stands for many.
    pub src: Option<IpAddr>,
    /// The address that is connected to; none stands for many.
    pub dest: Option<IpAddr>,
    /// The counts.
    pub figures: Figures,
    /// Whether its ends tell of it, by [`Role`]: the one that accepts, the one that connects.
    pub told: [bool; 2],
    /// The end that tells of no connection though an agent is there: it missed them, or addresses
    /// were translated on the way (NAT, a load balancer).
    pub missing: Option<Role>,
    /// Ports that are connected to, where agents tell them.
    pub ports: BTreeSet<u16>,
    /// What was dialled where another answered (NAT), where agents tell it.
    pub dialled: BTreeSet<String>,
    /// When it was there.
    pub seen: Seen,
}

/// When something was there, where two times are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// In what was given as the old.
    pub before: bool,
    /// In what is drawn.
    pub after: bool,
}

impl Seen {
    /// Nothing is compared, or it was there both times.
    pub const ALWAYS: Self = Self { before: true, after: true };

    /// At either of two times.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { before: self.before || other.before, after: self.after || other.after }
    }

    /// What became of it.
    pub fn change(self) -> Change {
        match (self.before, self.after) {
            (false, true) => Change::New,
            (true, false) => Change::Gone,
            _ => Change::None,
        }
    }
}

/// What became of something between two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It wasn't there before.
    New,
    /// It isn't there any more.
    Gone,
}

impl Change {
    /// The word for it; empty: nothing.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "",
            Self::New => "new",
            Self::Gone => "gone",
        }
    }
}

/// Whether an address is one of those that organisations use inside.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            // Carriers' and clouds' own, 100.64.0.0/10, has no stable name in std.
            let is_shared = first == 100 && second & 0xc0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Hosts by name, each with an address of its own: what goes from one to another how often.
    pub(in crate::picture) fn fleet(edges: &[(&str, &str, u64)]) -> Fleet {
        let names: BTreeSet<&str> = edges.iter().flat_map(|&(from, to, _)| [from, to]).collect();
        let hosts: Vec<Host> = names.iter().zip(1..).map(|(name, i)| host(name, i)).collect();
        let place = |name: &str| names.iter().position(|it| *it == name).unwrap();
        let links = edges.iter().map(|&(from, to, opened)| {
            let (source, target) = (place(from), place(to));
            let address = |host: usize| hosts[host].addresses.first().copied();
            Link {
                source,
                target,
                src: address(source),
                dest: address(target),
                figures: Figures { opened, ..Figures::default() },
                told: [true; 2],
                missing: None,
                ports: BTreeSet::new(),
                dialled: BTreeSet::new(),
                seen: Seen::ALWAYS,
            }
        });
        Fleet::arranged(hosts.clone(), links.collect(), Vec::new())
    }

    fn host(name: &str, number: u8) -> Host {
        let address = name.parse().unwrap_or(IpAddr::from([10, 1, 0, number]));
        let kind = match Kind::of(address) {
            Kind::Internal => Kind::Agent,
            other => other,
        };
        Host {
            id: name.to_owned(),
            name: name.to_owned(),
            kind,
            addresses: [address].into(),
            job: None,
            is_internal: kind == Kind::Agent,
            has_agent: kind == Kind::Agent,
            count: 1,
            seen: Seen::ALWAYS,
        }
    }

    /// A line for all that goes from one host to another.
    pub(in crate::picture) fn shown(fleet: &Fleet) -> Vec<String> {
        let name = |host: usize| &fleet.hosts[host].name;
        let weights = fleet.weights();
        weights
            .iter()
            .map(|((from, to), n)| format!("{} > {}: {n}", name(*from), name(*to)))
            .collect()
    }

    #[test]
    fn private_addresses_are_internal() {
        for text in [
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "100.127.0.1",
            "169.254.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert_eq!(Kind::of(text.parse().unwrap()), Kind::Internal, "{text}");
        }
        for text in ["172.32.0.1", "100.128.0.1", "8.8.8.8", "2001:db8::1"] {
            assert_eq!(Kind::of(text.parse().unwrap()), Kind::External, "{text}");
        }
    }
}
