//! Opt-in labels of edges: which there are, and what a connection's are.

mod marker;
mod place;
mod shown;

use std::collections::BTreeSet;

use clap::ValueEnum;

pub use self::{
    marker::{Lookup, Mark, Marker},
    place::Place,
};

// The variants' docs are what `--help` prints.
/// A label that edges have only where it's asked for, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Label {
    /// The service's port: the local one of an inbound connection, the peer's of an outbound one
    Port,
    /// Command name of the task that connected or accepted
    Process,
    /// Container that the task runs in: by Kubernetes' name for it, else its short id
    Container,
    /// Pod that the task runs in
    Pod,
    /// Namespace of that pod
    Namespace,
    /// Address and port that were dialled, where another answers, such as a Kubernetes service's
    Service,
    /// Number of the network namespace
    Netns,
}

impl Label {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Process => "process",
            Self::Container => "container",
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Service => "service",
            Self::Netns => "netns",
        }
    }
}

/// The labels that are asked for.
pub type Labels = BTreeSet<Label>;
