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
mod tests {
    use super::*;
    use crate::{
        flow::{Address, Reason},
        observe::ConnId,
    };

    const NETNS: NetnsId = NetnsId(1);

    fn opens(inbound: u64, outbound: u64) -> Opens {
        PerRole::from_fn(|role| if role == Role::Inbound { inbound } else { outbound })
    }

    const FLOW: Flow = Flow {
        netns: NETNS,
        local: Address([0; 16]),
        peer: Address([0; 16]),
        local_port: 0,
        peer_port: 0,
    };

    fn alike(role: Role, count: u64) -> Observation {
        Observation::OpenedAlike { flow: FLOW, role, count }
    }

    fn line(audit: &Audit, role: Role) -> (u64, u64) {
        let lines = audit.lines();
        let line = lines.iter().find(|line| line.role == role).unwrap();
        (line.kernel, line.captured)
    }

    #[test]
    fn what_is_missed_shows_and_stays() {
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(100, 200), opens(101, 201), opens(1, 1));
        audit.observe(&alike(Role::Inbound, 9));
        audit.read(&[(NETNS, opens(111, 201))], true);
        assert_eq!(line(&audit, Role::Inbound), (10, 9));
        assert_eq!(line(&audit, Role::Outbound), (0, 0));
        audit.observe(&alike(Role::Inbound, 5));
        audit.read(&[(NETNS, opens(116, 201))], true);
        assert_eq!(line(&audit, Role::Inbound), (15, 14));
    }

    #[test]
    fn what_came_while_the_hooks_were_attached_is_counted_as_it_was_captured_and_no_more() {
        let mut audit = Audit::default();
        // 50 came meanwhile, of which 30 were captured, and 10 later.
        audit.begin(NETNS, opens(0, 100), opens(0, 150), opens(0, 0));
        audit.observe(&alike(Role::Outbound, 40));
        audit.read(&[(NETNS, opens(0, 160))], true);
        assert_eq!(line(&audit, Role::Outbound), (40, 40));
        // A miss after the start is no doubt about it.
        audit.read(&[(NETNS, opens(0, 161))], true);
        assert_eq!(line(&audit, Role::Outbound), (41, 40));
    }

    #[test]
    fn the_start_is_settled_only_at_rest() {
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(0, 0), opens(0, 10), opens(0, 0));
        let counts = [(NETNS, opens(0, 10))];
        audit.read(&counts, false);
        assert_eq!(line(&audit, Role::Outbound), (0, 0));
        assert!(!audit.is_settled(&counts));
        // They had been on their way.
        audit.observe(&alike(Role::Outbound, 10));
        audit.read(&counts, true);
        assert_eq!(line(&audit, Role::Outbound), (10, 10));
        assert!(audit.is_settled(&counts));
        assert!(!audit.is_settled(&[(NetnsId(2), opens(0, 0))]), "a namespace that turns up");
    }

    #[test]
    fn a_namespace_that_turns_up_in_the_middle_of_its_connections_has_them_all() {
        let mut audit = Audit::default();
        audit.observe(&alike(Role::Inbound, 30));
        audit.read(&[(NETNS, opens(35, 0))], false);
        audit.observe(&alike(Role::Inbound, 40));
        audit.read(&[(NETNS, opens(70, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (70, 70));
        audit.read(&[(NETNS, opens(71, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (71, 70), "a miss shows");
    }

    #[test]
    fn a_number_that_another_namespace_has_now_starts_anew() {
        let mut audit = Audit::default();
        audit.observe(&alike(Role::Inbound, 30));
        audit.read(&[(NETNS, opens(50, 0))], true);
        audit.read(&[(NETNS, opens(0, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (0, 0));
        audit.observe(&alike(Role::Inbound, 70));
        audit.read(&[(NETNS, opens(70, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (70, 70));
    }

    #[test]
    fn an_attempt_that_nobody_saw_begin_counts_unless_it_is_older_than_the_hooks() {
        let flow = |local_port| Flow { local_port, peer_port: 80, ..FLOW };
        let id = Some(ConnId { sock: 1, opened_ns: 1 });
        let (role, reason) = (Role::Outbound, Reason::Refused);
        let opened = |port| {
            let (flow, owner) = (flow(port), None);
            Observation::Opened { id, flow, link: 0, role, owner, may_be_known: false }
        };
        let failed = |port| {
            let (flow, was_sent) = (flow(port), port != 0);
            Observation::Failed { flow, reason, was_sent, count: 1, owner: None }
        };
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(0, 0), opens(0, 0), opens(0, 0));
        // Until they are known, each may be.
        audit.observe(&opened(1));
        audit.observe(&failed(2));
        audit.know_elders(HashSet::from([flow(3), flow(4)]));
        (3..=6).for_each(|port| audit.observe(&opened(port)));
        audit.observe(&failed(4));
        audit.observe(&failed(7));
        audit.observe(&failed(0));
        audit.read(&[(NETNS, opens(0, 4))], true);
        // 5 and 6 opened, and 4 and 7 failed: 4 is a new attempt of an elder's flow by then.
        assert_eq!(line(&audit, Role::Outbound), (4, 4));
    }

    #[test]
    fn what_is_captured_while_the_kernel_cant_be_asked_is_set_beside_no_older_count() {
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(0, 0), opens(0, 0), opens(0, 0));
        audit.observe(&alike(Role::Inbound, 8));
        audit.read(&[(NETNS, opens(10, 0))], false);
        assert_eq!(line(&audit, Role::Inbound), (10, 8));
        // What had been on its way, and three more.
        audit.observe(&alike(Role::Inbound, 5));
        audit.read(&[], true);
        assert_eq!(line(&audit, Role::Inbound), (10, 10));
        audit.read(&[], true);
        assert_eq!(line(&audit, Role::Inbound), (10, 10));
        audit.read(&[(NETNS, opens(14, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (14, 13), "a miss shows");
    }

    #[test]
    fn a_spare_is_one_that_the_kernel_counted() {
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(0, 0), opens(0, 0), opens(0, 0));
        audit.observe(&alike(Role::Inbound, 1));
        audit.observe(&Observation::Spare { flow: FLOW, count: 1 });
        audit.read(&[(NETNS, opens(2, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (2, 2));
    }

    #[test]
    fn the_agents_own_connections_are_left_out() {
        let mut audit = Audit::default();
        audit.begin(NETNS, opens(0, 0), opens(0, 0), opens(0, 0));
        audit.leave_out(NETNS, opens(1, 2));
        audit.read(&[(NETNS, opens(1, 2))], true);
        assert_eq!((line(&audit, Role::Inbound), line(&audit, Role::Outbound)), ((0, 0), (0, 0)));
    }

    #[test]
    fn a_namespace_that_turns_up_later_is_counted_from_there_and_leaves_when_it_is_gone() {
        let mut audit = Audit::default();
        audit.observe(&alike(Role::Inbound, 3));
        assert!(audit.lines().is_empty());
        audit.read(&[(NETNS, opens(8, 0))], true);
        audit.read(&[(NETNS, opens(9, 0))], true);
        assert_eq!(line(&audit, Role::Inbound), (4, 3));
        audit.listed(|_| false);
        assert_eq!(audit.lines().len(), 2, "it may be younger than the list");
        audit.listed(|_| false);
        assert!(audit.lines().is_empty());
    }
}
