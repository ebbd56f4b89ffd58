//! Mermaid's flowchart, which many a wiki and forge draws. <https://mermaid.js.org/syntax/flowchart.html>

use std::{collections::BTreeMap, fmt::Write as _};

use super::{arrows::Picture, fleet::Kind, look::Stroke};

/// The picture as a flowchart from left to right.
pub fn render(picture: &Picture) -> String {
    let mut text = String::from("flowchart LR\n");
    for note in &picture.notes {
        // A comment must not begin a directive, which has a brace there.
        let _ = writeln!(text, "  %% {}", note.replace(['{', '}'], ""));
    }
    for (number, node) in picture.nodes.iter().enumerate() {
        let (open, close) = match node.host.kind {
            Kind::External => ("([", "])"),
            Kind::Group => ("[[", "]]"),
            _ => ("[", "]"),
        };
        let label = format!("{}<br/>{}", escaped(&node.host.name), escaped(&node.subtitle()));
        let _ = writeln!(text, "  n{number}{open}\"{label}\"{close}");
    }
    for edge in &picture.edges {
        let arrow = match edge.stroke() {
            Stroke::Solid => "-->",
            Stroke::Dashed | Stroke::Dotted => "-.->",
        };
        let label = escaped(&edge.label());
        let _ = writeln!(text, "  n{} {arrow}|\"{label}\"| n{}", edge.source, edge.target);
    }
    styles(&mut text, picture);
    text
}

/// Alike ones together: mermaid draws no text of more than 50,000 characters.
fn styles(text: &mut String, picture: &Picture) {
    let mut nodes: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (number, node) in picture.nodes.iter().enumerate() {
        nodes.entry(node.colors()).or_default().push(format!("n{number}"));
    }
    for (number, ((color, fill), nodes)) in nodes.iter().enumerate() {
        let _ = writeln!(text, "  classDef c{number} fill:{fill},stroke:{color},color:#212121");
        let _ = writeln!(text, "  class {} c{number}", nodes.join(","));
    }
    let mut edges: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (number, edge) in picture.edges.iter().enumerate() {
        let style = format!("stroke:{},stroke-width:{:.1}px", edge.color(), edge.width());
        edges.entry(style).or_default().push(number.to_string());
    }
    for (style, edges) in edges {
        let _ = writeln!(text, "  linkStyle {} {style}", edges.join(","));
    }
}

/// Text within quotes: letters, digits and a few more as they are, the rest as its entity, which
/// is mermaid's own (`#34;`) and of no meaning to anyone else.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if character.is_alphanumeric() || " .,:-_/+()".contains(character) {
            escaped.push(character);
        } else {
            let _ = write!(escaped, "#{};", u32::from(character));
        }
    }
    escaped
}
