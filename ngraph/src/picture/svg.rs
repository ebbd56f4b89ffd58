//! A still picture, for a page or a report: boxes in columns, arrows between them.

use std::fmt::Write as _;

use super::{
    arrows::{Edge, Node, Origin, Picture},
    layout::layout,
    look::Stroke,
    xml::escaped,
};

const ROW: f64 = 64.0;
const BOX: f64 = 40.0;
const MARGIN: f64 = 24.0;
/// A line of the caption.
const LINE: f64 = 18.0;
/// About a letter's width.
const LETTER: f64 = 7.2;
/// Longer names are cut; the whole one is in the tooltip.
const MAX_LETTERS: usize = 28;
/// Numbers at more arrows than these hide each other.
const MAX_LABELS: usize = 150;

/// Where a box lies.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    column: usize,
}

/// The picture as one SVG file.
pub fn render(picture: &Picture, origin: &Origin) -> String {
    let (places, width, height) = places(picture);
    let lines = caption(picture, origin);
    let top = MARGIN + LINE * (lines.len() as f64 + 0.5);
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) as f64;
    let width = width.max(2.0 * MARGIN + widest * LETTER);
    let height = height + top + MARGIN;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Who talks to whom</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    // Writing to a String can't fail.
    for (i, line) in lines.iter().enumerate() {
        let (y, weight) =
            (MARGIN + LINE * i as f64, if i == 0 { " font-weight=\"bold\"" } else { "" });
        let _ = writeln!(
            text,
            "<text x=\"{MARGIN}\" y=\"{y:.0}\" fill=\"#424242\"{weight}>{}</text>",
            escaped(line)
        );
    }
    let _ = writeln!(text, "<g transform=\"translate(0 {top:.0})\">");
    let shows_labels = picture.edges.len() <= MAX_LABELS;
    for edge in &picture.edges {
        arrow(&mut text, edge, picture, &places, shows_labels);
    }
    for (node, place) in picture.nodes.iter().zip(&places) {
        shape(&mut text, node, *place);
    }
    text.push_str("</g>\n</svg>\n");
    text
}

fn caption(picture: &Picture, origin: &Origin) -> Vec<String> {
    let made: Vec<&str> = [&*origin.made_of, &*origin.made_at]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    let mut lines = vec![picture.caption(), made.join(", ")];
    lines.retain(|line| !line.is_empty());
    lines.extend(picture.notes.iter().cloned());
    lines
}

/// The box of each node, and how large all of it is.
fn places(picture: &Picture) -> (Vec<Place>, f64, f64) {
    let edges: Vec<(usize, usize)> =
        picture.edges.iter().map(|edge| (edge.source, edge.target)).collect();
    let columns = layout(picture.nodes.len(), &edges).columns;
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let mut places = vec![Place { x: 0.0, y: 0.0, width: 0.0, column: 0 }; picture.nodes.len()];
    let mut x = MARGIN;
    // Arrows need room to fan out, more where there are many.
    let gap = 110.0 + 4.0 * (picture.edges.len() as f64).sqrt();
    for (column, nodes) in columns.iter().enumerate() {
        let letters = nodes.iter().map(|&node| letters(&picture.nodes[node])).max().unwrap_or(0);
        let width = 24.0 + LETTER * letters as f64;
        let above = (rows - nodes.len() as f64) * ROW / 2.0;
        for (row, &node) in nodes.iter().enumerate() {
            places[node] = Place { x, y: above + row as f64 * ROW + ROW / 2.0, width, column };
        }
        x += width + gap;
    }
    (places, x - gap + MARGIN, rows * ROW)
}

fn letters(node: &Node) -> usize {
    let count = |text: &str| text.chars().count().min(MAX_LETTERS);
    count(&node.host.name).max(count(&node.subtitle()))
}

fn shape(text: &mut String, node: &Node, place: Place) {
    let Place { x, y, width, .. } = place;
    let (color, fill) = node.colors();
    let (top, middle) = (y - BOX / 2.0, x + width / 2.0);
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
         height=\"{BOX}\" rx=\"6\" fill=\"{fill}\" stroke=\"{color}\" stroke-width=\"1.5\"/>\
         <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#212121\">{}</text>\
         <text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" \
         fill=\"#616161\">{}</text></g>",
        escaped(&node.lines().join("\n")),
        y - 2.0,
        escaped(&cut(&node.host.name)),
        y + 12.0,
        escaped(&cut(&node.subtitle())),
    );
}

fn arrow(text: &mut String, edge: &Edge, picture: &Picture, places: &[Place], shows_label: bool) {
    let (from, to) = (places[edge.source], places[edge.target]);
    let width = edge.width();
    let color = edge.color();
    let dashes = match edge.stroke() {
        Stroke::Solid => "",
        Stroke::Dashed => " stroke-dasharray=\"8 4\"",
        Stroke::Dotted => " stroke-dasharray=\"2 4\"",
    };
    let Curve { path, tip, middle } = curve(from, to, edge.source == edge.target);
    let _ = write!(
        text,
        "<g><title>{}</title><path d=\"{path}\" fill=\"none\" stroke=\"{color}\" \
         stroke-width=\"{width:.1}\" stroke-opacity=\"0.75\"{dashes}/>{}",
        escaped(&edge.lines(picture).join("\n")),
        head(tip, width, color),
    );
    if shows_label {
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{color}\" \
             stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
            middle.0,
            middle.1 - 3.0,
            escaped(&edge.label()),
        );
    }
    text.push_str("</g>\n");
}

struct Curve {
    path: String,
    /// Where it ends, and whether it comes from the left.
    tip: (f64, f64, bool),
    middle: (f64, f64),
}

/// From a box's side to another's: to the right where the target's column is, else back to the
/// left, and around where it is in the same column.
fn curve(from: Place, to: Place, is_loop: bool) -> Curve {
    let (right, left) = (from.x + from.width, to.x);
    if is_loop {
        let (x, y) = (right, from.y);
        let path = format!(
            "M{x:.1} {:.1} C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
            y - 10.0,
            x + 44.0,
            y - 26.0,
            x + 44.0,
            y + 26.0,
            x + 7.0,
            y + 10.0
        );
        return Curve { path, tip: (x, y + 10.0, false), middle: (x + 40.0, y + 3.0) };
    }
    let (start, end, end_side, bend_start, bend_end, from_left) = if to.column > from.column {
        let bend = (left - right).max(60.0) / 2.0;
        (right, left - 7.0, left, right + bend, left - bend, true)
    } else if to.column < from.column {
        let (start, end) = (from.x, to.x + to.width);
        let bend = (start - end).max(60.0) / 2.0;
        (start, end + 7.0, end, start - bend, end + bend, false)
    } else {
        let end = to.x + to.width;
        let bend = 40.0 + (to.y - from.y).abs() / 6.0;
        (right, end + 7.0, end, right + bend, end + bend, false)
    };
    // There and back don't lie on each other.
    let shift = if from_left { -5.0 } else { 5.0 };
    let (y1, y2) = (from.y + shift, to.y + shift);
    let path = format!(
        "M{start:.1} {y1:.1} C{bend_start:.1} {y1:.1} {bend_end:.1} {y2:.1} {end:.1} {y2:.1}"
    );
    let middle_x = (start + 3.0 * bend_start + 3.0 * bend_end + end_side) / 8.0;
    Curve { path, tip: (end_side, y2, from_left), middle: (middle_x, f64::midpoint(y1, y2)) }
}

fn head((x, y, from_left): (f64, f64, bool), width: f64, color: &str) -> String {
    let (length, half) = (9.0 + width, 3.5 + width / 2.0);
    let back = if from_left { x - length } else { x + length };
    format!(
        "<path d=\"M{x:.1} {y:.1} L{back:.1} {:.1} L{back:.1} {:.1} Z\" fill=\"{color}\"/>",
        y - half,
        y + half
    )
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_LETTERS {
        return text.to_owned();
    }
    text.chars().take(MAX_LETTERS - 1).chain(['…']).collect()
}
