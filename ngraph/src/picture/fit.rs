//! As much as a picture can show: grouped first where a fleet is larger.

use std::{cmp::Reverse, collections::BTreeSet};

use super::{
    fleet::{Fleet, Kind},
    group::{Prefix, SUBNET},
    page::{SMOOTH_EDGES, SMOOTH_NODES},
};
use crate::config::Format;

/// Nodes and edges that a picture can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes.
    pub nodes: usize,
    /// Edges.
    pub edges: usize,
}

impl Limits {
    /// What can be drawn as that; none: any number, as others' programs have their own.
    pub fn of(format: Format) -> Option<Self> {
        match format {
            Format::Html | Format::Svg => Some(Self { nodes: SMOOTH_NODES, edges: SMOOTH_EDGES }),
            // Mermaid draws no more edges where nobody configures it.
            Format::Mermaid => Some(Self { nodes: 500, edges: 500 }),
            Format::Prom | Format::Json | Format::Dot | Format::Graphml => None,
        }
    }
}

/// Wider and wider, until it fits.
const PREFIXES: [Prefix; 3] = [SUBNET, Prefix { v4: 16, v6: 48 }, Prefix { v4: 8, v6: 32 }];

impl Fleet {
    /// The fleet within the limits: by networks where it is larger, and then without the smallest
    /// edges. `center` stays itself.
    #[must_use]
    pub fn fit(self, limits: Limits, center: Option<&str>) -> Self {
        if self.fits(limits) {
            return self;
        }
        let was = format!("{} nodes, {} edges", self.hosts.len(), self.weights().len());
        let Limits { nodes, edges } = limits;
        let too_large = format!("{was}: more than the {nodes} and {edges} that can be drawn");
        let mut fleet = self;
        // What was grouped by wish stays so.
        if fleet.hosts.iter().any(|host| host.kind == Kind::Group) {
            fleet.notes.push(too_large);
        } else {
            let mut wide = None;
            for prefix in PREFIXES {
                let grouped = fleet.clone().in_networks(prefix, center);
                let fits = grouped.fits(limits);
                wide = Some((grouped, prefix));
                if fits {
                    break;
                }
            }
            if let Some((grouped, Prefix { v4, v6 })) = wide {
                fleet = grouped;
                fleet.notes.push(format!("{too_large}, so grouped by networks (/{v4}, /{v6})"));
            }
        }
        fleet.largest(limits, center)
    }

    fn fits(&self, limits: Limits) -> bool {
        self.hosts.len() <= limits.nodes && self.weights().len() <= limits.edges
    }

    /// The largest edges, as many as can be drawn.
    fn largest(self, limits: Limits, center: Option<&str>) -> Self {
        if self.fits(limits) {
            return self;
        }
        let mut edges: Vec<((usize, usize), u64)> = self.weights().into_iter().collect();
        edges.sort_by_key(|&(ends, weight)| (Reverse(weight), ends));
        let mut nodes: BTreeSet<usize> =
            center.and_then(|center| self.place(center)).into_iter().collect();
        let mut kept = BTreeSet::new();
        for ((source, target), _) in &edges {
            let new = BTreeSet::from([*source, *target]).difference(&nodes).count();
            if kept.len() < limits.edges && nodes.len() + new <= limits.nodes {
                nodes.extend([*source, *target]);
                kept.insert((*source, *target));
            }
        }
        let left_out = edges.len() - kept.len();
        let mut part = self.part(|link| kept.contains(&(link.source, link.target)), center);
        part.notes.push(format!("left out: the smallest {left_out} edges"));
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::fleet::tests::{fleet, shown};

    #[test]
    fn what_fits_stays_as_it_is() {
        let small = fleet(&[("10.0.0.1", "10.0.0.2", 1)]);
        assert_eq!(small.clone().fit(Limits { nodes: 2, edges: 1 }, None), small);
    }

    #[test]
    fn what_is_larger_is_grouped_by_networks_as_wide_as_needed() {
        let edges: Vec<(String, String, u64)> =
            (0..9).map(|i| (format!("10.{i}.0.1"), format!("10.{i}.0.2"), 1)).collect();
        let edges: Vec<(&str, &str, u64)> =
            edges.iter().map(|(from, to, count)| (&**from, &**to, *count)).collect();
        let large = fleet(&edges);
        let fit = |nodes| shown(&large.clone().fit(Limits { nodes, edges: 100 }, None));
        assert_eq!(fit(18).len(), 9);
        assert_eq!(fit(9)[0], "10.0.0.0/24 > 10.0.0.0/24: 1");
        assert_eq!(fit(8), ["10.0.0.0/8 > 10.0.0.0/8: 9"]);
        let notes = large.fit(Limits { nodes: 8, edges: 100 }, None).notes;
        assert_eq!(
            notes,
            ["18 nodes, 9 edges: more than the 8 and 100 that can be drawn, so grouped by \
              networks (/8, /32)"]
        );
    }

    #[test]
    fn the_smallest_edges_go_last() {
        let mut large = fleet(&[("a", "b", 5), ("b", "c", 1), ("c", "d", 3)]);
        large.hosts.iter_mut().for_each(|host| host.kind = Kind::Group);
        let fitted = large.fit(Limits { nodes: 4, edges: 2 }, None);
        assert_eq!(shown(&fitted), ["a > b: 5", "c > d: 3"]);
        assert_eq!(fitted.notes.last().unwrap(), "left out: the smallest 1 edges");
    }
}
