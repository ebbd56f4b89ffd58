//! The picture as the document that the page shows.

use std::{collections::BTreeSet, net::IpAddr};

use super::{
    arrows::{Edge, Node, Origin, Picture},
    fleet::{self, Kind},
    page,
};

/// Addresses of one node that a reader would look through.
const MAX_ADDRESSES: usize = 64;

/// The document of a picture.
pub fn document(picture: &Picture, origin: &Origin) -> page::Document {
    page::Document {
        title: "Who talks to whom".to_owned(),
        made_at: origin.made_at.clone(),
        made_of: origin.made_of.clone(),
        notes: picture.notes.clone(),
        nodes: picture.nodes.iter().map(node).collect(),
        edges: picture.edges.iter().map(|it| edge(it, picture)).collect(),
    }
}

fn node(node: &Node) -> page::Node {
    let host = &node.host;
    let mut addresses: Vec<String> =
        host.addresses.iter().take(MAX_ADDRESSES).map(IpAddr::to_string).collect();
    match host.addresses.len().saturating_sub(MAX_ADDRESSES) {
        0 => {}
        more => addresses.push(format!("{more} more")),
    }
    let names = [Some(&host.id), host.job.as_ref()].into_iter().flatten();
    page::Node {
        id: host.id.clone(),
        title: host.name.clone(),
        addresses,
        names: names.filter(|&name| *name != host.name).cloned().collect(),
        is_internal: host.is_internal,
        has_agent: host.has_agent,
        members: if host.kind == Kind::Group { host.count as u64 } else { 0 },
        change: change(node.change()),
    }
}

fn edge(edge: &Edge, picture: &Picture) -> page::Edge {
    let id = |node: usize| picture.nodes[node].host.id.clone();
    let figures = &edge.figures;
    let failures = figures.reasons().map(|(reason, count)| (reason.to_owned(), count));
    let ports: BTreeSet<String> = edge.ports.iter().map(u16::to_string).collect();
    let labels = [("port".to_owned(), ports), ("service".to_owned(), edge.dialled.clone())];
    page::Edge {
        source: id(edge.source),
        target: id(edge.target),
        connections: figures.unique,
        opened: figures.opened,
        opened_per_second: picture.rate(figures),
        failures: failures.collect(),
        seen_by: match edge.told {
            [true, false] => page::Ends::Target,
            // Of an attempt that failed, the one who tried tells alone.
            [false, _] => page::Ends::Source,
            [true, true] => page::Ends::Both,
        },
        is_one_sided: edge.missing.is_some(),
        is_translated: !edge.dialled.is_empty(),
        labels: labels.into_iter().filter(|(_, values)| !values.is_empty()).collect(),
        change: change(edge.change),
    }
}

fn change(change: fleet::Change) -> page::Change {
    match change {
        fleet::Change::None => page::Change::None,
        fleet::Change::New => page::Change::New,
        fleet::Change::Gone => page::Change::Gone,
    }
}
