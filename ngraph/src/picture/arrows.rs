//! The picture: hosts as nodes, and one arrow for all that goes from one to another.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::{
    document::document,
    dot,
    figures::Figures,
    fleet::{Change, Fleet, Host, Link, Seen},
    graphml, mermaid, node_graph, page, svg,
};
use crate::{config::Format, flow::Role};

/// What is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// In the order of their ids.
    pub nodes: Vec<Node>,
    /// In the order of their nodes; from one to another there is one.
    pub edges: Vec<Edge>,
    /// What whoever looks at it should know.
    pub notes: Vec<String>,
    /// The time within which connections opened, where that was asked for.
    pub range: Option<Duration>,
}

/// What a picture was made of, for those who look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Such as `3 files`.
    pub made_of: String,
    /// When that was written; empty: not known.
    pub made_at: String,
}

/// A host, or what stands for many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub host: Host,
    /// What comes in, without what it says to itself.
    pub incoming: Figures,
    /// What goes out, likewise.
    pub outgoing: Figures,
}

/// All that goes from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Index of the node that connects.
    pub source: usize,
    /// Index of the node that is connected to.
    pub target: usize,
    /// The counts.
    pub figures: Figures,
    /// Whether its ends tell of it, by [`Role`]: the one that accepts, the one that connects.
    pub told: [bool; 2],
    /// The end that tells of no connection though an agent is there.
    pub missing: Option<Role>,
    /// The addresses that connect and are connected to; none stands for many.
    pub addresses: BTreeSet<(Option<IpAddr>, Option<IpAddr>)>,
    /// Ports that are connected to, where agents tell them.
    pub ports: BTreeSet<u16>,
    /// What was dialled where another answered (NAT), where agents tell it.
    pub dialled: BTreeSet<String>,
    /// What became of it, where two times are compared.
    pub change: Change,
}

impl Picture {
    /// Draws a fleet.
    pub fn of(fleet: Fleet) -> Self {
        let mut arrows: BTreeMap<(usize, usize), (Edge, Seen)> = BTreeMap::new();
        for link in &fleet.links {
            arrows
                .entry((link.source, link.target))
                .and_modify(|(edge, seen)| add(edge, seen, link))
                .or_insert_with(|| (begin(link), link.seen));
        }
        let node = |host| Node { host, incoming: Figures::default(), outgoing: Figures::default() };
        let mut nodes: Vec<Node> = fleet.hosts.into_iter().map(node).collect();
        let edges: Vec<Edge> = arrows
            .into_values()
            .map(|(edge, seen)| Edge { change: seen.change(), ..edge })
            .collect();
        for edge in edges.iter().filter(|edge| edge.source != edge.target) {
            nodes[edge.source].outgoing.add(&edge.figures);
            nodes[edge.target].incoming.add(&edge.figures);
        }
        Self { nodes, edges, notes: fleet.notes, range: None }
    }

    /// As a text; none where a format has no picture.
    pub fn render(&self, format: Format, origin: &Origin) -> Option<String> {
        Some(match format {
            Format::Prom => return None,
            Format::Html => page::html(&document(self, origin)),
            Format::Svg => svg::render(self, origin),
            Format::Json => node_graph::render(self),
            Format::Dot => dot::render(self),
            Format::Mermaid => mermaid::render(self),
            Format::Graphml => graphml::render(self),
        })
    }
}

fn begin(link: &Link) -> Edge {
    Edge {
        source: link.source,
        target: link.target,
        figures: link.figures,
        told: link.told,
        missing: link.missing,
        addresses: [(link.src, link.dest)].into(),
        ports: link.ports.clone(),
        dialled: link.dialled.clone(),
        change: Change::None,
    }
}

/// What is gone counts only where nothing is left.
fn add(edge: &mut Edge, seen: &mut Seen, link: &Link) {
    match (seen.after, link.seen.after) {
        (true, false) => {}
        (false, true) => *edge = begin(link),
        _ => {
            edge.figures.add(&link.figures);
            for (edge, link) in edge.told.iter_mut().zip(link.told) {
                *edge |= link;
            }
            edge.missing = edge.missing.or(link.missing);
            edge.addresses.insert((link.src, link.dest));
            edge.ports.extend(&link.ports);
            edge.dialled.extend(link.dialled.iter().cloned());
        }
    }
    *seen = seen.or(link.seen);
}
