//! Chooses a part of a fleet: what is around a host, and what is worth an arrow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::fleet::{Fleet, Host, Link};

/// How alike two names are, from 0 to 1, to be taken for each other.
const ALIKE: f64 = 0.6;
/// Names that an error lists.
const MAX_NAMES: usize = 5;

impl Fleet {
    /// The id of the host that `text` names: by its id, an address, its name or that name's first part.
    ///
    /// # Errors
    /// Where it is none or several: which there are.
    pub fn find(&self, text: &str) -> Result<String, String> {
        let wanted = text.to_lowercase();
        let address = wanted.parse().ok();
        let is_host = |host: &Host| {
            host.id.to_lowercase() == wanted
                || address.is_some_and(|address| host.addresses.contains(&address))
        };
        let is_called = |host: &Host| host.name.to_lowercase() == wanted;
        let begins = |host: &Host| {
            host.name.to_lowercase().strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('.'))
        };
        let tries: [&dyn Fn(&Host) -> bool; 3] = [&is_host, &is_called, &begins];
        for is_it in tries {
            let found: Vec<&Host> = self.hosts.iter().filter(|host| is_it(host)).collect();
            match found[..] {
                [] => {}
                [host] => return Ok(host.id.clone()),
                _ => {
                    let ids = found.into_iter().map(|host| &*host.id);
                    return Err(format!("several hosts are called so: {}", some_of(ids)));
                }
            }
        }
        Err(format!("no host is called so{}", self.near(&wanted)))
    }

    /// What is within `depth` steps of a host, whichever way the arrows point: the hosts, and the
    /// links that lead to them.
    #[must_use]
    pub fn around(self, center: &str, depth: usize) -> Self {
        let Some(place) = self.place(center) else { return self };
        let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); self.hosts.len()];
        for link in &self.links {
            neighbours[link.source].push(link.target);
            neighbours[link.target].push(link.source);
        }
        let mut steps = BTreeMap::from([(place, 0)]);
        let mut next = VecDeque::from([place]);
        while let Some(host) = next.pop_front() {
            let step = steps[&host] + 1;
            for &neighbour in &neighbours[host] {
                if step <= depth && !steps.contains_key(&neighbour) {
                    steps.insert(neighbour, step);
                    next.push_back(neighbour);
                }
            }
        }
        let is_near = |host: &usize| steps.get(host).is_some_and(|&step| step < depth);
        let (all, name) = (self.hosts.len(), self.hosts[place].name.clone());
        let mut part =
            self.part(|link| is_near(&link.source) || is_near(&link.target), Some(center));
        if part.hosts.len() < all {
            let steps = if depth == 1 { "a step".to_owned() } else { format!("{depth} steps") };
            part.notes.push(format!(
                "{} of {all} nodes, those within {steps} of {name}",
                part.hosts.len()
            ));
        }
        part
    }

    /// Without what goes from one host to another fewer than `min` times.
    #[must_use]
    pub fn at_least(self, min: u64, center: Option<&str>) -> Self {
        let weights = self.weights();
        let left_out = weights.values().filter(|&&weight| weight < min).count();
        let mut part = self.part(|link| weights[&(link.source, link.target)] >= min, center);
        if left_out > 0 {
            part.notes.push(format!("left out: {left_out} edges of fewer than {min} connections"));
        }
        part
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.hosts.iter().position(|host| host.id == id)
    }

    /// How much goes from one host to another.
    pub(super) fn weights(&self) -> BTreeMap<(usize, usize), u64> {
        let mut weights: BTreeMap<_, u64> = BTreeMap::new();
        for link in &self.links {
            let weight = weights.entry((link.source, link.target)).or_default();
            *weight = weight.saturating_add(link.figures.weight());
        }
        weights
    }

    /// The links that are wanted, their hosts, and one that stays without any.
    pub(super) fn part(self, is_wanted: impl Fn(&Link) -> bool, center: Option<&str>) -> Self {
        let center = center.and_then(|center| self.place(center));
        let links: Vec<Link> = self.links.into_iter().filter(|link| is_wanted(link)).collect();
        let mut kept: BTreeSet<usize> = center.into_iter().collect();
        kept.extend(links.iter().flat_map(|link| [link.source, link.target]));
        let index: BTreeMap<usize, usize> = kept.iter().copied().zip(0..).collect();
        let place = |host: usize| index[&host];
        let links = links
            .into_iter()
            .map(|link| Link { source: place(link.source), target: place(link.target), ..link })
            .collect();
        let hosts = self.hosts.into_iter().enumerate();
        let hosts = hosts.filter(|(i, _)| kept.contains(i)).map(|(_, host)| host).collect();
        Self { hosts, links, notes: self.notes }
    }

    fn near(&self, wanted: &str) -> String {
        let closeness = |host: &Host| {
            let names = [&host.name, &host.id].map(|name| name.to_lowercase());
            let first = names[0].split('.').next().unwrap_or_default().to_owned();
            let of = |name: &String| match name.contains(wanted) {
                true => 1.0,
                false => strsim::normalized_damerau_levenshtein(name, wanted),
            };
            names.iter().chain([&first]).map(of).fold(0.0, f64::max)
        };
        let mut near: Vec<(f64, &Host)> =
            self.hosts.iter().map(|host| (closeness(host), host)).collect();
        near.retain(|(closeness, _)| *closeness >= ALIKE);
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        if near.is_empty() {
            let names = self.hosts.iter().map(|host| &*host.name);
            return format!(" (there are {})", some_of(names));
        }
        format!(" (near it: {})", some_of(near.into_iter().map(|(_, host)| &*host.name)))
    }
}

fn some_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len().checked_sub(MAX_NAMES) {
        Some(more @ 1..) => format!("{} and {more} more", names[..MAX_NAMES].join(", ")),
        _ if names.is_empty() => "none at all".to_owned(),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fleet::tests::{fleet, shown};

    const FLEET: [(&str, &str, u64); 5] = [
        ("web1.a.example", "app1.a.example", 9),
        ("app1.a.example", "db1.a.example", 5),
        ("app1.a.example", "db1.b.example", 1),
        ("db1.b.example", "backup.example", 2),
        ("backup.example", "db1.b.example", 3),
    ];

    #[test]
    fn a_host_is_found_by_address_id_name_and_its_names_first_part() {
        let fleet = fleet(&FLEET);
        assert_eq!(fleet.find("web1").unwrap(), "web1.a.example");
        assert_eq!(fleet.find("WEB1.a.example").unwrap(), "web1.a.example");
        let address = fleet.hosts[3].addresses.first().unwrap().to_string();
        assert_eq!(fleet.find(&address).unwrap(), fleet.hosts[3].id);
    }

    #[test]
    fn a_host_that_is_none_or_several_is_an_error_that_names_some() {
        let fleet = fleet(&FLEET);
        let several = "several hosts are called so: db1.a.example, db1.b.example";
        assert_eq!(fleet.find("db1"), Err(several.to_owned()));
        let near = "no host is called so (near it: web1.a.example)";
        assert_eq!(fleet.find("wbe1"), Err(near.to_owned()));
        let all = "no host is called so (there are app1.a.example, backup.example, \
                   db1.a.example, db1.b.example, web1.a.example)";
        assert_eq!(fleet.find("10.9.9.9"), Err(all.to_owned()));
        assert!(Fleet::default().find("x").unwrap_err().ends_with("(there are none at all)"));
    }

    #[test]
    fn around_a_host_are_those_within_the_steps() {
        let around = |text, depth| {
            let fleet = fleet(&FLEET);
            let center = fleet.find(text).unwrap();
            shown(&fleet.around(&center, depth))
        };
        assert_eq!(around("web1", 1), ["web1.a.example > app1.a.example: 9"]);
        assert_eq!(
            around("web1", 2),
            [
                "app1.a.example > db1.a.example: 5",
                "app1.a.example > db1.b.example: 1",
                "web1.a.example > app1.a.example: 9"
            ]
        );
        assert_eq!(around("web1", 9).len(), 5);
        assert!(around("web1", 0).is_empty());
    }

    #[test]
    fn what_is_left_out_is_told() {
        let fleet = fleet(&FLEET).at_least(3, None);
        assert_eq!(
            shown(&fleet),
            [
                "app1.a.example > db1.a.example: 5",
                "backup.example > db1.b.example: 3",
                "web1.a.example > app1.a.example: 9"
            ]
        );
        assert_eq!(fleet.notes, ["left out: 2 edges of fewer than 3 connections"]);
    }
}
