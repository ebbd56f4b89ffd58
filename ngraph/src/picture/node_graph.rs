//! JSON, as Grafana's node graph panel takes it: one object with `nodes` and `edges`.
//! <https://grafana.com/docs/grafana/latest/panels-visualizations/visualizations/node-graph/>

use serde::Serialize;

use super::{
    arrows::{Edge, Picture},
    look::{Stroke, listed},
};
use crate::flow::Role;

#[derive(Serialize)]
struct Document<'a> {
    nodes: Vec<NodeRow<'a>>,
    edges: Vec<EdgeRow<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

#[derive(Serialize)]
struct NodeRow<'a> {
    id: &'a str,
    title: &'a str,
    subtitle: String,
    mainstat: u64,
    secondarystat: u64,
    color: &'static str,
    #[serde(rename = "detail__kind")]
    kind: &'static str,
    #[serde(rename = "detail__addresses")]
    addresses: String,
    #[serde(rename = "detail__job", skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    #[serde(rename = "detail__hosts")]
    hosts: usize,
    #[serde(rename = "detail__change", skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
}

#[derive(Serialize)]
struct EdgeRow<'a> {
    id: String,
    source: &'a str,
    target: &'a str,
    mainstat: u64,
    secondarystat: u64,
    thickness: f64,
    color: &'static str,
    #[serde(rename = "strokeDasharray", skip_serializing_if = "Option::is_none")]
    stroke_dasharray: Option<&'static str>,
    #[serde(rename = "detail__opened")]
    opened: u64,
    #[serde(rename = "detail__unique")]
    unique: u64,
    #[serde(rename = "detail__failures")]
    failures: u64,
    #[serde(rename = "detail__failure_reasons", skip_serializing_if = "Option::is_none")]
    failure_reasons: Option<String>,
    #[serde(rename = "detail__rate", skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(rename = "detail__addresses")]
    addresses: String,
    #[serde(rename = "detail__ports", skip_serializing_if = "Option::is_none")]
    ports: Option<String>,
    #[serde(rename = "detail__dialled", skip_serializing_if = "Option::is_none")]
    dialled: Option<String>,
    #[serde(rename = "detail__missing", skip_serializing_if = "Option::is_none")]
    missing: Option<&'static str>,
    #[serde(rename = "detail__change", skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
}

/// The picture as JSON, with a newline at its end. A node's figures are connections in and out, an
/// edge's those opened and those of now.
pub fn render(picture: &Picture) -> String {
    let nodes = picture.nodes.iter().map(|node| NodeRow {
        id: &node.host.id,
        title: &node.host.name,
        subtitle: node.subtitle(),
        mainstat: node.incoming.connections(),
        secondarystat: node.outgoing.connections(),
        color: node.colors().0,
        kind: node.host.kind.label(),
        addresses: listed(&node.host.addresses),
        job: node.host.job.as_deref(),
        hosts: node.host.count,
        change: some(node.change().label()),
    });
    let document = Document {
        nodes: nodes.collect(),
        edges: picture.edges.iter().map(|edge| row(edge, picture)).collect(),
        notes: &picture.notes,
    };
    let mut text = serde_json::to_string_pretty(&document).expect("strings and numbers are JSON");
    text.push('\n');
    text
}

fn row<'a>(edge: &Edge, picture: &'a Picture) -> EdgeRow<'a> {
    let id = |node: usize| &*picture.nodes[node].host.id;
    let figures = &edge.figures;
    EdgeRow {
        id: format!("{} → {}", id(edge.source), id(edge.target)),
        source: id(edge.source),
        target: id(edge.target),
        mainstat: figures.opened,
        secondarystat: figures.unique,
        thickness: edge.width(),
        color: edge.color(),
        stroke_dasharray: match edge.stroke() {
            Stroke::Solid => None,
            Stroke::Dashed => Some("8 4"),
            Stroke::Dotted => Some("2 4"),
        },
        opened: figures.opened,
        unique: figures.unique,
        failures: figures.failures(),
        failure_reasons: some(listed(
            figures.reasons().map(|(reason, count)| format!("{reason} {count}")),
        )),
        rate: picture.rate(figures),
        addresses: edge.pairs(),
        ports: some(listed(&edge.ports)),
        dialled: some(listed(&edge.dialled)),
        missing: edge.missing.map(Role::direction),
        change: some(edge.change.label()),
    }
}

fn some<T: AsRef<str>>(text: T) -> Option<T> {
    (!text.as_ref().is_empty()).then_some(text)
}
