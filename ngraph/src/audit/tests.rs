//! The rules of the audit.

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
