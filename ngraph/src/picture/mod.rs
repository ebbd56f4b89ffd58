//! The picture: what one or many agents tell of their hosts, joined into one graph, chosen from,
//! and drawn. Pure: what reads files and asks servers is `gather`.
//!
//! exposition (text to samples) → report (samples to edges as told) → join (to a fleet of hosts and
//! links) → diff, select, group, fit (fleet to fleet) → arrows (to a picture) → a file a format.

pub mod arrows;
pub mod diff;
pub mod document;
pub mod dot;
pub mod exposition;
pub mod figures;
pub mod fit;
pub mod fleet;
pub mod graphml;
pub mod group;
pub mod join;
pub mod layout;
pub mod look;
pub mod mermaid;
pub mod node_graph;
pub mod page;
pub mod readable;
pub mod report;
pub mod select;
pub mod svg;
pub mod xml;

pub use self::{
    arrows::{Edge, Node, Origin, Picture},
    fleet::Fleet,
    join::join,
    report::Reports,
};
