//! Many hosts as one: by network, by job, by domain.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use clap::ValueEnum;
use ipnet::IpNet;

use super::fleet::{Fleet, Host, Kind, Link};

// The variants' docs are what `--help` prints.
/// By what hosts are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The network of an address: /24 of IPv4, /64 of IPv6
    Subnet,
    /// The label job
    Job,
    /// The last two parts of the name
    Domain,
}

/// How long a network's prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub v4: u8,
    pub v6: u8,
}

/// What people take for a subnet.
pub(super) const SUBNET: Prefix = Prefix { v4: 24, v6: 64 };

impl Fleet {
    /// Hosts together that are alike by that; `center` stays itself.
    #[must_use]
    pub fn grouped(self, by: By, center: Option<&str>) -> Self {
        self.merged(center, |host, address| match by {
            By::Subnet => network(host, address, SUBNET),
            By::Job => Some(host.job.clone().unwrap_or_else(|| by_kind(host))),
            By::Domain => Some(domain(host).unwrap_or_else(|| by_kind(host))),
        })
    }

    /// Hosts together that are in one network.
    pub(super) fn in_networks(self, prefix: Prefix, center: Option<&str>) -> Self {
        self.merged(center, |host, address| network(host, address, prefix))
    }

    /// Each end of each link at the group that `group` names, or at its host.
    fn merged(
        self,
        center: Option<&str>,
        group: impl Fn(&Host, Option<IpAddr>) -> Option<String>,
    ) -> Self {
        let center = center.and_then(|center| self.place(center));
        let mut places: BTreeMap<Place, usize> = BTreeMap::new();
        let mut members: Vec<BTreeSet<usize>> = Vec::new();
        let mut place = |host: usize, address: Option<IpAddr>| {
            let name = group(&self.hosts[host], address).filter(|_| center != Some(host));
            let place = name.map_or(Place::Host(host), Place::Group);
            let next = members.len();
            let index = *places.entry(place).or_insert(next);
            if index == next {
                members.push(BTreeSet::new());
            }
            members[index].insert(host);
            index
        };
        let links: Vec<Link> = self
            .links
            .into_iter()
            .map(|link| Link {
                source: place(link.source, link.src),
                target: place(link.target, link.dest),
                ..link
            })
            .collect();
        if let Some(center) = center {
            place(center, None);
        }
        let mut hosts: Vec<(usize, Host)> = places
            .into_iter()
            .map(|(place, index)| {
                let of = members[index].iter().map(|&host| &self.hosts[host]);
                let host = match place {
                    Place::Host(host) => self.hosts[host].clone(),
                    Place::Group(name) => together(name, of),
                };
                (index, host)
            })
            .collect();
        hosts.sort_by_key(|(index, _)| *index);
        Self::arranged(hosts.into_iter().map(|(_, host)| host).collect(), links, self.notes)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Host(usize),
    Group(String),
}

fn together<'a>(name: String, members: impl Iterator<Item = &'a Host>) -> Host {
    let mut group = Host {
        id: name.clone(),
        name,
        kind: Kind::Group,
        addresses: BTreeSet::new(),
        job: None,
        is_internal: false,
        has_agent: false,
        count: 0,
        seen: super::fleet::Seen { before: false, after: false },
    };
    for member in members {
        group.addresses.extend(&member.addresses);
        group.is_internal |= member.is_internal;
        group.has_agent |= member.has_agent;
        group.count += member.count;
        group.seen = group.seen.or(member.seen);
    }
    group
}

/// The network of the address by which a host takes part in a link. Loopback is in none, and
/// stands for the host's first address.
fn network(host: &Host, address: Option<IpAddr>, prefix: Prefix) -> Option<String> {
    let own = address.filter(|address| !address.is_loopback());
    let address = own.or_else(|| host.addresses.first().copied())?;
    let length = if address.is_ipv4() { prefix.v4 } else { prefix.v6 };
    Some(IpNet::new(address, length).ok()?.trunc().to_string())
}

fn domain(host: &Host) -> Option<String> {
    if host.kind == Kind::Other || host.name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let mut parts = host.name.rsplit('.');
    let (last, before) = (parts.next()?, parts.next());
    Some(before.map_or(last.to_owned(), |before| format!("{before}.{last}")))
}

fn by_kind(host: &Host) -> String {
    match (host.kind, host.is_internal) {
        (Kind::Other, _) => "folded peers",
        (Kind::Agent, _) => "hosts without a job",
        (_, true) => "private addresses",
        (_, false) => "public addresses",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fleet::tests::{fleet, shown};

    const FLEET: [(&str, &str, u64); 4] = [
        ("web1.a.example", "app1.a.example", 9),
        ("web2.a.example", "app1.a.example", 5),
        ("app1.a.example", "db.b.example", 1),
        ("web1.a.example", "db.b.example", 2),
    ];

    #[test]
    fn a_domain_is_one_node_and_what_stays_in_it_a_loop() {
        let groups = fleet(&FLEET).grouped(By::Domain, None);
        assert_eq!(shown(&groups), ["a.example > a.example: 14", "a.example > b.example: 3"]);
        let counts: Vec<usize> = groups.hosts.iter().map(|host| host.count).collect();
        assert_eq!(counts, [3, 1]);
    }

    #[test]
    fn a_host_in_two_networks_is_in_two_groups() {
        let mut one = fleet(&[("a", "b", 1), ("a", "c", 2)]);
        let addresses =
            ["10.0.0.1", "10.0.1.1", "fd00:0:0:1::1"].map(|ip| Some(ip.parse().unwrap()));
        one.links[0] = Link { src: addresses[0], dest: addresses[1], ..one.links[0].clone() };
        one.links[1] = Link { src: addresses[2], dest: addresses[1], ..one.links[1].clone() };
        let groups = one.grouped(By::Subnet, None);
        assert_eq!(
            shown(&groups),
            ["10.0.0.0/24 > 10.0.1.0/24: 1", "fd00:0:0:1::/64 > 10.0.1.0/24: 2"]
        );
    }

    #[test]
    fn the_center_stays_itself() {
        let fleet = fleet(&FLEET);
        let center = fleet.find("app1").unwrap();
        assert_eq!(
            shown(&fleet.grouped(By::Domain, Some(&center))),
            [
                "a.example > app1.a.example: 14",
                "a.example > b.example: 2",
                "app1.a.example > b.example: 1"
            ]
        );
    }

    #[test]
    fn who_has_no_job_or_name_is_grouped_by_what_it_is() {
        let mut all = fleet(&FLEET[..1]);
        all.hosts[0].job = Some("node".to_owned());
        assert_eq!(shown(&all.grouped(By::Job, None)), ["hosts without a job > node: 9"]);
        let addresses = fleet(&[("192.0.2.1", "10.0.0.1", 3)]);
        assert_eq!(
            shown(&addresses.grouped(By::Domain, None)),
            ["public addresses > hosts without a job: 3"]
        );
    }
}
