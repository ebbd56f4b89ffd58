//! What is new and what is gone: two fleets, of two times, as one.

use std::{collections::BTreeMap, net::IpAddr};

use super::fleet::{Change, Fleet, Host, Link, Seen};

const GONE: Seen = Seen { before: true, after: false };

impl Fleet {
    /// This fleet, and what was there before. A host is the same one by its id, else by most of
    /// its addresses.
    #[must_use]
    pub fn since(self, old: Self) -> Self {
        let by_id: BTreeMap<&str, usize> =
            self.hosts.iter().zip(0..).map(|(host, i)| (&*host.id, i)).collect();
        let mut by_address: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for (i, host) in self.hosts.iter().enumerate() {
            by_address.extend(host.addresses.iter().map(|&address| (address, i)));
        }
        let same = |host: &Host| {
            by_id.get(&*host.id).copied().or_else(|| {
                let mut hits: BTreeMap<usize, usize> = BTreeMap::new();
                for host in host.addresses.iter().filter_map(|address| by_address.get(address)) {
                    *hits.entry(*host).or_default() += 1;
                }
                // Of several that have as many, the first.
                hits.into_iter().rev().max_by_key(|(_, count)| *count).map(|(host, _)| host)
            })
        };
        let same: Vec<Option<usize>> = old.hosts.iter().map(same).collect();
        let is_new = Seen { before: false, after: true };
        let mut hosts: Vec<Host> =
            self.hosts.into_iter().map(|host| Host { seen: is_new, ..host }).collect();
        let mut places = Vec::new();
        for (host, same) in old.hosts.into_iter().zip(same) {
            places.push(same.unwrap_or(hosts.len()));
            match same {
                Some(same) => hosts[same].seen = Seen::ALWAYS,
                None => hosts.push(Host { seen: GONE, ..host }),
            }
        }
        let mut links: BTreeMap<_, Link> = self
            .links
            .into_iter()
            .map(|link| Link { seen: is_new, ..link })
            .map(|link| (ends(&link), link))
            .collect();
        for link in old.links {
            let (source, target) = (places[link.source], places[link.target]);
            let link = Link { source, target, seen: GONE, ..link };
            links.entry(ends(&link)).and_modify(|it| it.seen = Seen::ALWAYS).or_insert(link);
        }
        let mut fleet = Self::arranged(hosts, links.into_values().collect(), self.notes);
        let note = fleet.changes();
        fleet.notes.push(note);
        fleet
    }

    fn changes(&self) -> String {
        let mut arrows: BTreeMap<(usize, usize), Seen> = BTreeMap::new();
        for link in &self.links {
            let seen = arrows.entry((link.source, link.target)).or_insert(link.seen);
            *seen = seen.or(link.seen);
        }
        let of = |change: Change| {
            let nodes = self.hosts.iter().filter(|host| host.seen.change() == change).count();
            let edges = arrows.values().filter(|seen| seen.change() == change).count();
            format!("{nodes} nodes and {edges} edges are {}", change.label())
        };
        format!("since the old: {}, {}", of(Change::New), of(Change::Gone))
    }
}

fn ends(link: &Link) -> (usize, usize, Option<IpAddr>, Option<IpAddr>) {
    (link.source, link.target, link.src, link.dest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fleet::tests::fleet;

    #[test]
    fn new_and_gone_hosts_and_links_are_told_apart() {
        let old = fleet(&[("a", "b", 1), ("b", "c", 2), ("a", "c", 3)]);
        let new = fleet(&[("a", "b", 4), ("c", "b", 5), ("d", "a", 6)]);
        let both = new.since(old);
        let seen: Vec<_> = both.hosts.iter().map(|it| (&*it.name, it.seen.change())).collect();
        let [none, new, gone] = [Change::None, Change::New, Change::Gone];
        assert_eq!(seen, [("a", none), ("b", none), ("c", none), ("d", new)]);
        let name = |host: usize| &*both.hosts[host].name;
        let links: Vec<_> = (both.links.iter())
            .map(|it| (name(it.source), name(it.target), it.figures.opened, it.seen.change()))
            .collect();
        assert_eq!(
            links,
            [
                ("a", "b", 4, none),
                ("a", "c", 3, gone),
                ("b", "c", 2, gone),
                ("c", "b", 5, new),
                ("d", "a", 6, new)
            ]
        );
        assert_eq!(
            both.notes,
            ["since the old: 1 nodes and 2 edges are new, 0 nodes and 2 edges are gone"]
        );
    }

    #[test]
    fn a_host_under_another_id_is_the_same_by_its_addresses() {
        let old = fleet(&[("a", "b", 1)]);
        let mut new = old.clone();
        new.hosts[0].id = "renamed".to_owned();
        let both = new.since(old);
        assert!(both.hosts.iter().all(|host| host.seen == Seen::ALWAYS), "{both:#?}");
        assert_eq!((both.hosts.len(), both.links.len()), (2, 1));
    }

    #[test]
    fn nothing_changes_against_itself() {
        let fleet = fleet(&[("a", "b", 1), ("b", "b", 2)]);
        let both = fleet.clone().since(fleet.clone());
        assert_eq!((both.hosts, both.links), (fleet.hosts, fleet.links));
    }
}
