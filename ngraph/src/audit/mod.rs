//! The audit: what the kernel itself counted beside what was captured, by namespace and
//! direction. Pure.

use std::collections::{BTreeMap, HashSet};

use crate::{
    flow::{Flow, NetnsId, Role},
    graph::PerRole,
    observe::Observation,
};

/// The kernel's own counts of a namespace since it was made: `PassiveOpens` of inbound
/// connections, `ActiveOpens` of outbound attempts. The latter rises with the SYN, so it
/// counts attempts that fail, too.
/// (`tcp_create_openreq_child`, `tcp_connect`)
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_minisocks.c>
/// <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_output.c>
pub type Opens = PerRole<u64>;

/// One line of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The namespace.
    pub netns: NetnsId,
    /// The direction.
    pub role: Role,
    /// What the kernel counted since we looked.
    pub kernel: u64,
    /// What was captured.
    pub captured: u64,
}

/// What was captured and what the kernel counted, a row a namespace.
#[derive(Debug, Default)]
pub struct Audit {
    rows: BTreeMap<NetnsId, Row>,
    /// Attempts that were on their way when the hooks were attached; none: they aren't known yet,
    /// and any without an owner may be one.
    elders: Option<HashSet<Flow>>,
}

#[derive(Debug, Default)]
struct Row {
    captured: PerRole<u64>,
    /// The kernel's count from which on we count; none: it has never been read.
    since: Option<PerRole<Since>>,
    /// The kernel's last count.
    kernel: Opens,
    /// What was captured by then.
    beside: Opens,
    /// Whether the kernel couldn't be asked again since.
    is_old: bool,
    /// Whether namespaces have been listed since it is here.
    is_known: bool,
}

/// Hooks and counts don't begin at one moment: what the count was when the first hook saw
/// its first connection lies between two readings.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    least: u64,
    most: u64,
}

impl Audit {
    /// Counts what an observation tells was opened or tried since the hooks are attached.
    pub fn observe(&mut self, observation: &Observation) {
        if self.is_of_elder(observation) {
            return;
        }
        if let Some((netns, role, count)) = opens(observation) {
            *self.rows.entry(netns).or_default().captured.of_mut(role) += count;
        }
    }

    /// Of attempts that the hooks didn't see begin, these alone are older than they are. Others
    /// found no room in the socket map.
    pub fn know_elders(&mut self, elders: HashSet<Flow>) {
        self.elders = Some(elders);
    }

    /// Whether this tells what became of an attempt that the kernel counted before the hooks were
    /// attached.
    fn is_of_elder(&mut self, observation: &Observation) -> bool {
        let (Observation::Opened { flow, role: Role::Outbound, owner: None, .. }
        | Observation::Failed { flow, was_sent: true, owner: None, .. }) = observation
        else {
            return false;
        };
        // Of those that were counted by their edge there is no owner left to tell, nor a port.
        if flow.local_port == 0 {
            return false;
        }
        match &mut self.elders {
            Some(elders) => elders.remove(flow),
            None => true,
        }
    }

    /// Counts a connection that a snapshot found and no event told of.
    pub fn found(&mut self, netns: NetnsId, role: Role) {
        *self.rows.entry(netns).or_default().captured.of_mut(role) += 1;
    }

    /// The kernel's counts of a namespace before the hooks were attached, and after, of
    /// which `own` connections were the agent's own.
    pub fn begin(&mut self, netns: NetnsId, before: Opens, after: Opens, own: Opens) {
        let since = |role| {
            let least = before.of(role) + own.of(role);
            Since { least, most: (*after.of(role)).max(least) }
        };
        let row = self.rows.entry(netns).or_default();
        row.since = Some(PerRole::from_fn(since));
        row.kernel = after;
    }

    /// Of what the kernel counted of a namespace, so much was the agent's own.
    pub fn leave_out(&mut self, netns: NetnsId, own: Opens) {
        let Some(since) = self.rows.get_mut(&netns).and_then(|row| row.since.as_mut()) else {
            return;
        };
        for role in Role::ALL {
            let Since { least, most } = since.of_mut(role);
            *least += own.of(role);
            *most += own.of(role);
        }
    }

    /// Whether it is settled from where on the kernel's counts of these namespaces are taken: for
    /// what is, nobody has to wait until all is at rest.
    pub fn is_settled(&self, counts: &[(NetnsId, Opens)]) -> bool {
        counts.iter().all(|(netns, _)| {
            let since = self.rows.get(netns).and_then(|row| row.since.as_ref());
            since.is_some_and(|since| Role::ALL.iter().all(|&role| since.of(role).is_settled()))
        })
    }

    /// The kernel's counts now, of the namespaces that could be asked. `is_at_rest`: everything
    /// that was tried has been captured, as far as the kernel side knows.
    pub fn read(&mut self, counts: &[(NetnsId, Opens)], is_at_rest: bool) {
        for row in self.rows.values_mut() {
            row.is_old = true;
        }
        for &(netns, kernel) in counts {
            self.read_one(netns, kernel, is_at_rest);
        }
    }

    fn read_one(&mut self, netns: NetnsId, kernel: Opens, is_at_rest: bool) {
        let row = self.rows.entry(netns).or_default();
        if Role::ALL.iter().any(|&role| kernel.of(role) < row.kernel.of(role)) {
            // Counts never fall: another namespace has the number now. The kernel gives a free
            // one away at once.
            *row = Row::default();
        }
        let captured = row.captured;
        (row.kernel, row.beside, row.is_old) = (kernel, captured, false);
        // A namespace that turns up later may be new or may have been hidden, and more may be
        // on its way than was captured.
        let since = row.since.get_or_insert_with(|| {
            PerRole::from_fn(|role| Since { least: 0, most: *kernel.of(role) })
        });
        if is_at_rest {
            for role in Role::ALL {
                let start = since.of(role).start(*kernel.of(role), *captured.of(role));
                *since.of_mut(role) = Since { least: start, most: start };
            }
        }
    }

    /// What was captured of a namespace.
    pub fn captured(&self, netns: NetnsId) -> Opens {
        self.rows.get(&netns).map(|row| row.captured).unwrap_or_default()
    }

    /// Namespaces were listed: those that are gone leave. One that has never been listed may
    /// be younger than the list.
    pub fn listed(&mut self, is_there: impl Fn(NetnsId) -> bool) {
        self.rows
            .retain(|&netns, row| is_there(netns) || !std::mem::replace(&mut row.is_known, true));
        for (_, row) in self.rows.iter_mut().filter(|(netns, _)| is_there(**netns)) {
            row.is_known = true;
        }
    }

    /// The audit of every namespace whose counts could be read, in order.
    pub fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for (&netns, row) in &self.rows {
            let Some(since) = row.since else {
                continue;
            };
            for role in Role::ALL {
                let (kernel, captured) = (*row.kernel.of(role), *row.captured.of(role));
                let start = since.of(role).start(kernel, captured);
                let kernel = kernel.saturating_sub(start);
                // An old count doesn't know what came since.
                let known = kernel.max(*row.beside.of(role));
                let captured = if row.is_old { captured.min(known) } else { captured };
                lines.push(Line { netns, role, kernel, captured });
            }
        }
        lines
    }
}

/// What an observation tells of what the kernel counts: where, which way, how many.
fn opens(observation: &Observation) -> Option<(NetnsId, Role, u64)> {
    match observation {
        Observation::Opened { flow, role, .. } => Some((flow.netns, *role, 1)),
        Observation::OpenedAlike { flow, role, count } => Some((flow.netns, *role, *count)),
        Observation::Spare { flow, count } => Some((flow.netns, Role::Inbound, *count)),
        Observation::Failed { flow, was_sent: true, count, .. } => {
            Some((flow.netns, Role::Outbound, *count))
        }
        _ => None,
    }
}

impl Since {
    fn is_settled(self) -> bool {
        self.least == self.most
    }

    /// The start, within what is possible, from which on kernel and capture differ least.
    fn start(self, kernel: u64, captured: u64) -> u64 {
        kernel.saturating_sub(captured).clamp(self.least, self.most)
    }
}

#[cfg(test)]
mod tests;
