//! Where the owner of a connection runs, by name.

/// Names that are asked for and known; empty: not.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The container.
    pub container: String,
    /// The pod that it is of.
    pub pod: String,
    /// The namespace that the pod is in.
    pub namespace: String,
}
