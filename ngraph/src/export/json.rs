//! The same view as one JSON object, for `--once --output - --format json`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{
    flow::{Reason, Role},
    graph::{EdgeRow, Peer, View},
    health::Health,
    hooks::HOOKS,
};

/// Version of the object's shape: it rises when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it was made, in seconds since 1970.
    pub written_at: f64,
    /// Which hooks are attached and proven.
    pub hooks: BTreeMap<String, bool>,
    /// How the capture goes.
    #[serde(default)]
    pub health: Figures,
    /// The edges, in the file's order.
    pub edges: Vec<Edge>,
}

/// How the capture goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Connections that others opened and that are open.
    pub open_input: u64,
    /// Connections that were opened here and are open.
    pub open_output: u64,
    /// Openings and attempts, as captured.
    pub captured: u64,
    /// The same, by the kernel's own count.
    pub kernel: u64,
    /// Events that are gone.
    pub lost: u64,
}

/// An edge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// `input` or `output`.
    pub direction: String,
    /// Where its connections come from.
    pub src_ip: String,
    /// Where they go to.
    pub dest_ip: String,
    /// The peer's name; empty: none.
    pub peer_hostname: String,
    /// The labels that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Unique connections, as in the file.
    pub connections: u64,
    /// Connections open now.
    #[serde(default)]
    pub open: u64,
    /// Connections opened so far.
    pub opened: u64,
    /// Attempts failed so far, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, u64>,
    /// How long the edge has been there.
    #[serde(default)]
    pub age_seconds: f64,
}

/// A whole document, its edges in the file's order, ending in a newline.
///
/// # Errors
/// Where serde_json refuses a value, which none here is.
pub fn json(view: &View, health: &Health) -> Result<String> {
    let document = Document::new(view, health);
    let mut text = serde_json::to_string_pretty(&document).context("write the edges as JSON")?;
    text.push('\n');
    Ok(text)
}

impl Document {
    /// What a view shows, and how the capture goes that it is of.
    pub fn new(view: &View, health: &Health) -> Self {
        let is_there = |(hook, attached): (&str, Option<bool>)| Some((hook.to_owned(), attached?));
        let hooks = HOOKS.iter().map(|hook| hook.name).zip(health.attached);
        Self {
            schema: SCHEMA,
            written_at: health.written_at,
            hooks: hooks.filter_map(is_there).collect(),
            health: figures(health),
            edges: view.rows.iter().map(edge).collect(),
        }
    }
}

fn figures(health: &Health) -> Figures {
    Figures {
        open_input: *health.live.of(Role::Inbound),
        open_output: *health.live.of(Role::Outbound),
        captured: health.audit.iter().map(|line| line.captured).sum(),
        kernel: health.audit.iter().map(|line| line.kernel).sum(),
        lost: health.lost(),
    }
}

fn edge(row: &EdgeRow) -> Edge {
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
    let failures = failures.into_iter().filter(|&(_, count)| count > 0);
    Edge {
        direction: row.role.direction().to_owned(),
        src_ip,
        dest_ip,
        peer_hostname: row.name.to_string(),
        labels: row
            .labels
            .iter()
            .map(|(label, value)| ((*label).to_owned(), value.clone()))
            .collect(),
        connections: row.unique,
        open: row.open,
        opened: row.opened.unwrap_or(0),
        failures: failures.map(|(reason, count)| (reason.to_owned(), count)).collect(),
        age_seconds: row.age.as_secs_f64(),
    }
}
