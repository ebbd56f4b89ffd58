//! What the page shows, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Nodes with which the page stays smooth; callers group larger pictures first.
pub const SMOOTH_NODES: usize = 500;

/// Edges with which the page stays smooth; callers group larger pictures first.
pub const SMOOTH_EDGES: usize = 3_000;

/// A whole picture. Any text in it may be hostile: the page shows it as text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Document {
    /// The page's heading and its window's title.
    pub title: String,
    /// When it was made, for people: `2026-11-27 04:40 UTC`.
    pub made_at: String,
    /// What it was made of, for people: `3 files`, `Prometheus at http://…, the last 5 minutes`.
    pub made_of: String,
    /// What a reader has to know, a sentence each: grouped because it was too large, files that
    /// could not be read.
    pub notes: Vec<String>,
    /// In the order that lists show where nothing else orders them.
    pub nodes: Vec<Node>,
    /// At most one for each pair of `source` and `target` and set of labels.
    pub edges: Vec<Edge>,
}

/// A host, a group of hosts, or what is outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Node {
    /// What edges refer to; shown nowhere.
    pub id: String,
    /// The name that people know it by, else an address.
    pub title: String,
    /// All its addresses that are known, as text; of a group possibly networks.
    pub addresses: Vec<String>,
    /// Further names, such as those that peers know it by.
    pub names: Vec<String>,
    /// Whether it belongs to the infrastructure that is drawn.
    pub is_internal: bool,
    /// Whether an agent runs there, so that its edges are seen from its end, too.
    pub has_agent: bool,
    /// How many hosts it stands for: 0 for a single host.
    pub members: u64,
    /// Against an earlier picture.
    pub change: Change,
}

/// The connections from one node, which called connect, to another, which accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Edge {
    /// The id of the node that connects.
    pub source: String,
    /// The id of the node that is connected to.
    pub target: String,
    /// Unique connections: open, or opened and closed since the file before.
    pub connections: u64,
    /// Opened since the agent started, or within the time that was asked for.
    pub opened: u64,
    /// Opened each second, where that is known.
    pub opened_per_second: Option<f64>,
    /// Attempts that failed, by reason: `refused`, `timeout`, …
    pub failures: BTreeMap<String, u64>,
    /// Which ends' agents tell of it.
    pub seen_by: Ends,
    /// Whether one end alone tells of it though the other has an agent, too.
    pub is_one_sided: bool,
    /// Whether another answered than was dialled (NAT).
    pub is_translated: bool,
    /// Labels and their values: `port` with `443` and `8443`.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// Against an earlier picture.
    pub change: Change,
}

/// How something differs from an earlier picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was there before, or there is nothing to compare with.
    #[default]
    None,
    /// It was not there before.
    New,
    /// It was there before and is not any more.
    Gone,
}

/// The ends of an edge that tell of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ends {
    /// Both agree that it is there.
    #[default]
    Both,
    /// The connecting end alone.
    Source,
    /// The accepting end alone.
    Target,
}
