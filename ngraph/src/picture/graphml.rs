//! GraphML, for Gephi, yEd, Cytoscape, networkx. <http://graphml.graphdrawing.org/specification.html>

use std::fmt::{Display, Write as _};

use super::{arrows::Picture, look::listed, xml::escaped};
use crate::flow::{Reason, Role};

/// Attributes: of what, name, type.
const KEYS: [(&str, &str, &str); 15] = [
    ("node", "label", "string"),
    ("node", "kind", "string"),
    ("node", "addresses", "string"),
    ("node", "job", "string"),
    ("node", "hosts", "int"),
    ("node", "change", "string"),
    ("edge", "weight", "long"),
    ("edge", "opened", "long"),
    ("edge", "unique", "long"),
    ("edge", "failures", "long"),
    ("edge", "ports", "string"),
    ("edge", "dialled", "string"),
    ("edge", "missing", "string"),
    ("edge", "rate", "double"),
    ("edge", "change", "string"),
];

/// The picture as GraphML.
pub fn render(picture: &Picture) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    // Writing to a String can't fail.
    for note in &picture.notes {
        let _ = writeln!(text, "  <desc>{}</desc>", escaped(note));
    }
    let failures = Reason::ALL.map(|reason| failed(reason.label()));
    let failures = failures.iter().map(|name| ("edge", &**name, "long"));
    for (of, name, kind) in KEYS.into_iter().chain(failures) {
        let _ = writeln!(
            text,
            "  <key id=\"{of}_{name}\" for=\"{of}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>"
        );
    }
    text.push_str("  <graph id=\"ngraph\" edgedefault=\"directed\">\n");
    for node in &picture.nodes {
        let host = &node.host;
        let _ = writeln!(text, "    <node id=\"{}\">", escaped(&host.id));
        let mut data = |name: &str, value: &dyn Display| datum(&mut text, "node", name, value);
        data("label", &host.name);
        data("kind", &host.kind.label());
        data("addresses", &listed(&host.addresses));
        data("job", &host.job.as_deref().unwrap_or_default());
        data("hosts", &host.count);
        data("change", &node.change().label());
        text.push_str("    </node>\n");
    }
    for edge in &picture.edges {
        let id = |node: usize| escaped(&picture.nodes[node].host.id);
        let (source, target) = (id(edge.source), id(edge.target));
        let _ = writeln!(text, "    <edge source=\"{source}\" target=\"{target}\">");
        let figures = &edge.figures;
        let mut data = |name: &str, value: &dyn Display| datum(&mut text, "edge", name, value);
        data("weight", &figures.weight());
        data("opened", &figures.opened);
        data("unique", &figures.unique);
        data("failures", &figures.failures());
        for (reason, count) in figures.reasons() {
            data(&failed(reason), &count);
        }
        data("ports", &listed(&edge.ports));
        data("dialled", &listed(&edge.dialled));
        data("missing", &edge.missing.map_or("", Role::direction));
        if let Some(rate) = picture.rate(figures) {
            data("rate", &rate);
        }
        data("change", &edge.change.label());
        text.push_str("    </edge>\n");
    }
    text.push_str("  </graph>\n</graphml>\n");
    text
}

/// The attribute of failures for a reason.
fn failed(reason: &str) -> String {
    format!("failed_{reason}")
}

/// An attribute; an empty one is none.
fn datum(text: &mut String, of: &str, name: &str, value: &dyn Display) {
    let value = escaped(&value.to_string());
    if !value.is_empty() {
        let _ = writeln!(text, "      <data key=\"{of}_{name}\">{value}</data>");
    }
}
