//! What a file says of all connections together, to be compared as a whole: what a test
//! doesn't name is to be 0.

use super::metrics::Metrics;

/// Sums over all edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections opened here.
    pub output: u64,
    /// Connections opened by others.
    pub input: u64,
    /// Attempts that failed, for whatever reason.
    pub failed: u64,
    /// Of the connections opened here, those that are open.
    pub open_output: u64,
    /// Of the connections opened by others, those that are open.
    pub open_input: u64,
    /// Events that are gone.
    pub lost: u64,
}

impl Tally {
    /// What a file says.
    pub fn of(metrics: &Metrics) -> Self {
        let live = |direction| metrics.sum("ngraph_live_connections", &[("direction", direction)]);
        Self {
            output: metrics.opened("output"),
            input: metrics.opened("input"),
            failed: metrics.sum("ngraph_connect_failures_total", &[]),
            open_output: live("output"),
            open_input: live("input"),
            lost: metrics.sum("ngraph_events_lost_total", &[]),
        }
    }

    /// `count` connections with both ends here, all closed.
    pub fn closed(count: u64) -> Self {
        Self { output: count, input: count, ..Self::default() }
    }

    /// `count` connections with both ends here, all open.
    pub fn open(count: u64) -> Self {
        Self { open_output: count, open_input: count, ..Self::closed(count) }
    }
}
