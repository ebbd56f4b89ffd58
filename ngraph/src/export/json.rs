//! The same view as one JSON object, for `--once --output - --format json`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    flow::{Reason, Role},
    graph::{EdgeRow, Peer, View},
    health::Health,
    hooks::HOOKS,
};

/// Version of the object's shape: it rises when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    written_at: f64,
    hooks: BTreeMap<&'static str, bool>,
    edges: Vec<Edge<'a>>,
}

#[derive(Serialize)]
struct Edge<'a> {
    direction: &'static str,
    src_ip: String,
    dest_ip: String,
    peer_hostname: &'a str,
    connections: u64,
    opened: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    failures: BTreeMap<&'static str, u64>,
}

/// A whole document, its edges in the file's order, ending in a newline.
///
/// # Errors
/// Where serde_json refuses a value, which none here is.
pub fn json(view: &View, health: &Health) -> Result<String> {
    let document = Document {
        schema: SCHEMA,
        written_at: health.written_at,
        hooks: HOOKS
            .iter()
            .map(|hook| hook.name)
            .zip(health.attached)
            .filter_map(is_there)
            .collect(),
        edges: view.rows.iter().map(edge).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).context("write the edges as JSON")?;
    text.push('\n');
    Ok(text)
}

fn is_there((hook, attached): (&'static str, Option<bool>)) -> Option<(&'static str, bool)> {
    attached.map(|attached| (hook, attached))
}

fn edge(row: &EdgeRow) -> Edge<'_> {
    let local = row.local.map(|ip| ip.to_string()).unwrap_or_default();
    let peer = match row.peer {
        Peer::Address(ip) => ip.to_string(),
        Peer::Other => "other".to_owned(),
    };
    let (src_ip, dest_ip) = match row.role {
        Role::Inbound => (peer, local),
        Role::Outbound => (local, peer),
    };
    let failures = Reason::ALL.map(|reason| (reason.label(), row.failed[reason as usize]));
    Edge {
        direction: row.role.direction(),
        src_ip,
        dest_ip,
        peer_hostname: &row.name,
        connections: row.unique,
        opened: row.opened.unwrap_or(0),
        failures: failures.into_iter().filter(|&(_, count)| count > 0).collect(),
    }
}
