//! The live set's rules.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use super::*;
use crate::{
    flow::NetnsId,
    snapshot::{Row, RowState, Snapshot},
};

const NETNS: NetnsId = NetnsId(1);
const SIGHT: Sight = Sight { sees_ends: true, is_lossy: false, is_first: false };

fn flow(local_port: u16) -> Flow {
    let [local, peer]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
    Flow { netns: NETNS, local: local.into(), local_port, peer: peer.into(), peer_port: 80 }
}

fn opened(sock: u64, local_port: u16) -> Observation {
    let id = ConnId { sock, opened_ns: sock * 10 };
    let (flow, role) = (flow(local_port), Role::Outbound);
    Observation::Opened { id, flow, role, at_ns: 0, owner: None, may_be_known: false }
}

fn closed(sock: u64) -> Observation {
    Observation::Closed(ConnId { sock, opened_ns: sock * 10 })
}

fn snapshot(ports: &[u16]) -> Snapshot {
    let row = |port: &u16| Row { flow: flow(*port), state: RowState::Connection };
    Snapshot {
        began: Duration::from_secs(1),
        rows: ports.iter().map(row).collect(),
        namespaces: BTreeSet::from([NETNS]),
        ..Snapshot::default()
    }
}

#[derive(Default)]
struct Set {
    live: LiveSet,
    changes: Vec<Change>,
}

impl Set {
    fn apply(&mut self, observation: Observation) {
        self.live.apply(observation, |change| self.changes.push(change));
    }

    fn reconcile(&mut self, snapshot: &Snapshot, sight: Sight) -> Repairs {
        self.live.reconcile(snapshot, sight, |change| self.changes.push(change))
    }

    fn opens(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Opened { .. })).count()
    }

    fn closes(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Closed { .. })).count()
    }
}

#[test]
fn a_connection_reported_twice_is_one() {
    let mut set = Set::default();
    set.apply(opened(7, 1000));
    set.apply(opened(7, 1000));
    set.apply(closed(7));
    set.apply(closed(7));
    assert_eq!((set.opens(), set.closes(), set.live.len()), (1, 1, 0));
}

#[test]
fn the_same_flow_again_is_another_connection() {
    let mut set = Set::default();
    for sock in 1..=100 {
        set.apply(opened(sock, 1000));
        set.apply(closed(sock));
    }
    assert_eq!((set.opens(), set.closes(), set.live.len()), (100, 100, 0));
}

#[test]
fn an_end_that_comes_after_the_next_beginning_ends_the_first_alone() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    set.apply(opened(2, 1000));
    set.apply(closed(1));
    assert_eq!((set.opens(), set.closes(), set.live.len()), (2, 1, 1));
    set.apply(closed(2));
    assert!(set.live.is_empty());
}

#[test]
fn what_the_first_snapshot_finds_was_not_opened_and_what_a_later_one_finds_was() {
    let mut set = Set::default();
    let first = Sight { is_first: true, ..SIGHT };
    assert_eq!(set.reconcile(&snapshot(&[1]), first), Repairs::default());
    let repairs = set.reconcile(&snapshot(&[1, 2]), SIGHT);
    assert_eq!(repairs, Repairs { opened: 1, ..Repairs::default() });
    let new: Vec<bool> = (set.changes.iter())
        .filter_map(|change| match change {
            Change::Opened { is_new, .. } => Some(*is_new),
            _ => None,
        })
        .collect();
    assert_eq!(new, [false, true]);
}

#[test]
fn a_connection_that_an_event_told_of_is_not_found_again() {
    let mut set = Set::default();
    set.live.begin_snapshot();
    set.apply(opened(1, 1000));
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    assert_eq!(set.live.len(), 1);
}

#[test]
fn a_row_of_a_connection_that_closed_meanwhile_is_out_of_date() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    set.live.begin_snapshot();
    set.apply(closed(1));
    set.apply(Observation::ClosedOlder(flow(2000)));
    assert_eq!(set.reconcile(&snapshot(&[1000, 2000]), SIGHT), Repairs::default());
    assert!(set.live.is_empty());
}

#[test]
fn a_connection_older_than_the_hooks_ends_by_its_flow() {
    let mut set = Set::default();
    set.reconcile(&snapshot(&[1000]), Sight { is_first: true, ..SIGHT });
    set.apply(Observation::ClosedOlder(flow(1000)));
    assert_eq!((set.closes(), set.live.len()), (1, 0));
}

#[test]
fn a_connection_that_a_snapshot_found_before_it_was_accepted_is_one() {
    let mut set = Set::default();
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT).opened, 1);
    let mut accepted = opened(7, 1000);
    if let Observation::Opened { may_be_known, .. } = &mut accepted {
        *may_be_known = true;
    }
    set.apply(accepted);
    set.apply(accepted);
    assert_eq!((set.opens(), set.closes(), set.live.len()), (1, 0, 1));
    set.apply(closed(7));
    assert_eq!((set.closes(), set.live.len()), (1, 0));
}

#[test]
fn one_absence_is_no_end_and_two_are() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs { suspects: 1, ..Repairs::default() });
    set.reconcile(&snapshot(&[1000]), SIGHT);
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT).suspects, 1, "seen between: counted anew");
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs { closed: 1, ..Repairs::default() });
    assert!(set.live.is_empty());
}

#[test]
fn after_a_loss_one_absence_is_an_end() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    let repairs = set.reconcile(&snapshot(&[]), Sight { is_lossy: true, ..SIGHT });
    assert_eq!(repairs, Repairs { closed: 1, ..Repairs::default() });
}

#[test]
fn a_connection_younger_than_the_snapshot_is_not_missed_by_it() {
    let mut set = Set::default();
    let mut opened = opened(1, 1000);
    if let Observation::Opened { at_ns, .. } = &mut opened {
        *at_ns = 1_000_000_000;
    }
    set.apply(opened);
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs::default());
}

#[test]
fn a_namespace_that_no_process_shows_keeps_its_connections_where_ends_are_seen() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    let elsewhere = Snapshot { namespaces: BTreeSet::new(), ..snapshot(&[]) };
    for _ in 0..3 {
        assert_eq!(set.reconcile(&elsewhere, SIGHT), Repairs::default());
    }
    let blind = Sight { sees_ends: false, ..SIGHT };
    set.reconcile(&elsewhere, blind);
    assert_eq!(set.reconcile(&elsewhere, blind).closed, 1);
}

#[test]
fn an_attempt_in_a_snapshot_confirms_a_connection_and_makes_none() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    let mut attempts = snapshot(&[1000, 2000]);
    for row in &mut attempts.rows {
        row.state = RowState::Attempt;
    }
    assert_eq!(set.reconcile(&attempts, SIGHT), Repairs::default());
    assert_eq!(set.live.len(), 1);
}

#[test]
fn a_connection_is_brief_only_within_one_file() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    set.apply(closed(1));
    set.apply(opened(2, 1000));
    set.live.file_written();
    set.apply(closed(2));
    let brief: Vec<bool> = (set.changes.iter())
        .filter_map(|change| match change {
            Change::Closed { is_brief, .. } => Some(*is_brief),
            _ => None,
        })
        .collect();
    assert_eq!(brief, [true, false]);
}
