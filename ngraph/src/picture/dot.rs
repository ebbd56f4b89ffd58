//! Graphviz' language. <https://graphviz.org/doc/info/lang.html>

use std::fmt::Write as _;

use super::{arrows::Picture, fleet::Kind, look::Stroke};

/// The picture for `dot`, which lays it out from left to right.
pub fn render(picture: &Picture) -> String {
    let mut text = String::from(
        "digraph ngraph {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", \
         fontname=\"sans-serif\", fontsize=11];\n  edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    // Writing to a String can't fail.
    if !picture.notes.is_empty() {
        let _ = writeln!(text, "  label={};", quoted(&picture.notes));
    }
    for node in &picture.nodes {
        let shape = match node.host.kind {
            Kind::External => ", shape=ellipse",
            Kind::Group => ", shape=folder",
            _ => "",
        };
        let (color, fill) = node.colors();
        let _ = writeln!(
            text,
            "  {} [label={}, tooltip={}, color=\"{color}\", fillcolor=\"{fill}\"{shape}];",
            quoted(&[&node.host.id]),
            quoted(&[&node.host.name, &node.subtitle()]),
            quoted(&node.lines()),
        );
    }
    for edge in &picture.edges {
        let id = |node: usize| quoted(&[&picture.nodes[node].host.id]);
        let style = match edge.stroke() {
            Stroke::Solid => "",
            Stroke::Dashed => ", style=dashed",
            Stroke::Dotted => ", style=dotted",
        };
        let _ = writeln!(
            text,
            "  {} -> {} [label={}, tooltip={}, color=\"{}\", penwidth={:.1}{style}];",
            id(edge.source),
            id(edge.target),
            quoted(&[edge.label()]),
            quoted(&edge.lines(picture)),
            edge.color(),
            edge.width(),
        );
    }
    text.push_str("}\n");
    text
}

/// Lines as one string in quotes. A backslash begins an escape in it, of a line's end or of the
/// node's own name.
fn quoted(lines: &[impl AsRef<str>]) -> String {
    let mut text = String::from('"');
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            text.push_str("\\n");
        }
        for character in line.as_ref().chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            // An entity, as in HTML, is one in every string of graphviz'.
            if character == '&' { text.push_str("&amp;") } else { text.push(character) }
        }
    }
    text.push('"');
    text
}
