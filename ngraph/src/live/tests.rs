//! The live set's rules.

use std::{collections::BTreeSet, net::IpAddr};

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
    Observation::Opened { id: Some(id), flow, link: 0, role, owner: None, may_be_known: false }
}

fn closed(sock: u64) -> Observation {
    Observation::Closed(ConnId { sock, opened_ns: sock * 10 })
}

fn closed_unnamed(local_port: u16, alike: Option<Role>) -> Observation {
    Observation::ClosedUnnamed { flow: flow(local_port), alike }
}

fn snapshot(ports: &[u16]) -> Snapshot {
    let row = |port: &u16| Row { flow: flow(*port), state: RowState::Connection };
    Snapshot {
        rows: ports.iter().map(row).collect(),
        namespaces: BTreeSet::from([NETNS]),
        ..Snapshot::default()
    }
}

struct Set {
    live: LiveSet,
    changes: Vec<Change>,
}

impl Default for Set {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Set {
    fn new(room: usize) -> Self {
        Self { live: LiveSet::new(room), changes: Vec::new() }
    }

    fn apply(&mut self, observation: Observation) {
        self.live.apply(observation, |change| self.changes.push(change));
    }

    fn reconcile(&mut self, snapshot: &Snapshot, sight: Sight) -> Repairs {
        self.live.reconcile(snapshot, sight, |change| self.changes.push(change))
    }

    fn opens(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Change::Opened { .. })).count()
    }

    /// Connections that count as opened.
    fn counted(&self) -> u64 {
        let count = |change: &Change| match change {
            Change::Opened { is_new, .. } => u64::from(*is_new),
            Change::OpenedAlike { count, .. } => *count,
            _ => 0,
        };
        self.changes.iter().map(count).sum()
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
    set.apply(closed_unnamed(2000, None));
    assert_eq!(set.reconcile(&snapshot(&[1000, 2000]), SIGHT), Repairs::default());
    assert!(set.live.is_empty());
}

#[test]
fn a_connection_older_than_the_hooks_ends_by_its_flow() {
    let mut set = Set::default();
    set.reconcile(&snapshot(&[1000]), Sight { is_first: true, ..SIGHT });
    set.apply(closed_unnamed(1000, None));
    assert_eq!((set.closes(), set.live.len()), (1, 0));
}

#[test]
fn a_connection_that_a_snapshot_found_before_it_was_accepted_is_one() {
    let mut set = Set::default();
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT).opened, 1);
    set.apply(accepted(7, 1000));
    set.apply(accepted(7, 1000));
    assert_eq!((set.opens(), set.closes(), set.live.len()), (1, 0, 1));
    set.apply(closed(7));
    assert_eq!((set.closes(), set.live.len()), (1, 0));
}

fn accepted(sock: u64, local_port: u16) -> Observation {
    let mut accepted = opened(sock, local_port);
    if let Observation::Opened { may_be_known, .. } = &mut accepted {
        *may_be_known = true;
    }
    accepted
}

#[test]
fn one_found_before_it_was_accepted_is_none_of_those_told_of_by_number() {
    let mut set = Set::default();
    set.apply(alike(1));
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    assert_eq!(set.counted(), 1, "it may be that one");
    set.apply(accepted(7, 1000));
    assert_eq!((set.counted(), set.live.len()), (2, 1), "it wasn't");
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
fn after_a_loss_a_namespace_that_no_process_shows_is_judged_too() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    let elsewhere = Snapshot { namespaces: BTreeSet::new(), ..snapshot(&[]) };
    let lossy = Sight { is_lossy: true, ..SIGHT };
    assert_eq!(set.reconcile(&elsewhere, lossy).suspects, 1);
    assert_eq!(set.reconcile(&elsewhere, lossy).closed, 1);
}

#[test]
fn a_connection_told_of_while_a_snapshot_is_made_is_missed_by_the_next_one_first() {
    let mut set = Set::default();
    set.live.begin_snapshot();
    set.apply(opened(1, 1000));
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs::default());
    for expected in [(1, 0), (0, 1)] {
        set.live.begin_snapshot();
        let repairs = set.reconcile(&snapshot(&[]), SIGHT);
        assert_eq!((repairs.suspects, repairs.closed), expected);
    }
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

fn opened_on(link: u32, sock: u64, local_port: u16) -> Observation {
    let mut observation = opened(sock, local_port);
    if let Observation::Opened { link: of, .. } = &mut observation {
        *of = link;
    }
    observation
}

#[test]
fn the_same_flow_on_two_links_is_two_connections() {
    let mut set = Set::default();
    set.apply(opened_on(2, 1, 1000));
    set.apply(opened_on(3, 2, 1000));
    assert_eq!((set.opens(), set.live.len()), (2, 2));
    for _ in 0..3 {
        set.live.begin_snapshot();
        assert_eq!(set.reconcile(&snapshot(&[1000, 1000]), SIGHT), Repairs::default());
    }
    set.apply(closed(1));
    for _ in 0..3 {
        set.live.begin_snapshot();
        assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    }
    assert_eq!((set.opens(), set.closes(), set.live.len()), (2, 1, 1));
    // Of one link it makes way as ever.
    set.apply(opened_on(3, 3, 1000));
    set.apply(closed(2));
    set.apply(closed(3));
    assert_eq!((set.opens(), set.closes(), set.live.len()), (3, 3, 0));
}

#[test]
fn of_two_links_one_row_keeps_one_connection() {
    let mut set = Set::default();
    set.apply(opened_on(2, 1, 1000));
    set.apply(opened_on(3, 2, 1000));
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT).suspects, 1);
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT).closed, 1);
    assert_eq!(set.live.len(), 1);
}

#[test]
fn a_connection_found_without_its_link_keeps_its_place_beside_a_new_one() {
    let first = Sight { is_first: true, ..SIGHT };
    let mut set = Set::default();
    set.reconcile(&snapshot(&[1000]), first);
    set.apply(opened_on(3, 2, 1000));
    assert_eq!(set.live.len(), 2);
    assert_eq!(set.reconcile(&snapshot(&[1000, 1000]), SIGHT), Repairs::default());
    set.apply(closed_unnamed(1000, None));
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    assert_eq!((set.counted(), set.closes(), set.live.len()), (1, 1, 1));
}

fn alike(count: u64) -> Observation {
    let flow = Flow { local_port: 0, peer_port: 0, ..flow(0) };
    Observation::OpenedAlike { flow, role: Role::Outbound, count }
}

#[test]
fn connections_told_of_by_number_are_found_and_not_counted_again() {
    let mut set = Set::default();
    set.apply(alike(3));
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 3));
    // Twice not found, the third is over, and what turns up from now on was missed.
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    set.live.begin_snapshot();
    let repairs = set.reconcile(&snapshot(&[1, 2, 3]), SIGHT);
    assert_eq!((repairs.opened, set.counted()), (1, 4));
}

#[test]
fn one_told_of_by_number_that_a_snapshot_skips_is_found_by_the_next() {
    let mut set = Set::default();
    set.apply(alike(1));
    for rows in [&[][..], &[1]] {
        set.live.begin_snapshot();
        assert_eq!(set.reconcile(&snapshot(rows), SIGHT), Repairs::default());
    }
    assert_eq!((set.live.len(), set.counted()), (1, 1));
}

#[test]
fn of_those_told_of_by_number_the_ones_that_closed_are_not_found() {
    let mut set = Set::default();
    // The order in which the two are taken in is no order of events.
    set.apply(closed_unnamed(9, Some(Role::Outbound)));
    set.apply(alike(2));
    set.live.begin_snapshot();
    let repairs = set.reconcile(&snapshot(&[1, 2]), SIGHT);
    assert_eq!((repairs.opened, set.live.len()), (1, 2), "one of the two was missed");
}

#[test]
fn one_that_was_told_of_by_number_and_found_is_closed_by_its_flow() {
    let mut set = Set::default();
    set.apply(alike(1));
    set.live.begin_snapshot();
    set.reconcile(&snapshot(&[1]), SIGHT);
    set.apply(closed_unnamed(1, Some(Role::Outbound)));
    assert_eq!((set.live.len(), set.closes()), (0, 1));
}

#[test]
fn a_number_told_while_a_snapshot_is_made_holds_until_the_next() {
    let mut set = Set::default();
    set.live.begin_snapshot();
    set.apply(alike(1));
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs::default());
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (1, 1));
}

#[test]
fn more_ends_than_can_be_remembered_leave_unknown_rows_to_the_next_snapshot() {
    let mut set = Set::default();
    set.live.begin_snapshot();
    for sock in 1..=CLOSED_MOST as u64 + 1 {
        set.apply(closed_unnamed(sock as u16, None));
        let flow = Flow { peer_port: (sock >> 16) as u16, ..flow(sock as u16) };
        set.apply(Observation::ClosedUnnamed { flow, alike: None });
    }
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT).opened, 2);
}

#[test]
fn names_that_are_forgotten_end_by_their_flows() {
    let mut set = Set::default();
    (1..=3).for_each(|sock| set.apply(opened(sock, sock as u16)));
    set.live.forget_names();
    set.apply(closed(1));
    assert_eq!(set.live.len(), 3, "nobody knows it by that name");
    (1..=3).for_each(|port| set.apply(closed_unnamed(port, None)));
    assert_eq!((set.live.len(), set.closes()), (0, 3));
}

#[test]
fn a_connection_without_an_identity_is_closed_by_its_flow() {
    let mut set = Set::default();
    let Observation::Opened { flow, link, role, owner, may_be_known, .. } = opened(1, 1000) else {
        unreachable!();
    };
    set.apply(Observation::Opened { id: None, flow, link, role, owner, may_be_known });
    assert_eq!(set.live.len(), 1);
    set.apply(closed_unnamed(1000, None));
    assert_eq!((set.live.len(), set.counted(), set.closes()), (0, 1, 1));
}

#[test]
fn a_full_set_counts_every_connection_once_and_holds_no_more_than_it_may() {
    let mut set = Set::new(2);
    (1..=5).for_each(|sock| set.apply(opened(sock, sock as u16)));
    assert_eq!((set.live.len(), set.counted(), set.live.turned_away()), (2, 5, 3));
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[1, 2, 3, 4, 5]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 5));
    // Room again: those that had none are found, and not as new.
    (1..=2).for_each(|sock| set.apply(closed(sock)));
    set.live.begin_snapshot();
    assert_eq!(set.reconcile(&snapshot(&[4, 5]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 5));
    set.live.begin_snapshot();
    (4..=5).for_each(|port| set.apply(closed_unnamed(port, None)));
    assert_eq!(set.reconcile(&snapshot(&[6]), SIGHT).opened, 1, "this one was missed");
}

/// What some process holds, and nothing of any table.
fn glance(ports: &[u16]) -> Snapshot {
    let processes = std::collections::BTreeMap::from([(NETNS, "1".to_owned())]);
    Snapshot { namespaces: BTreeSet::new(), processes, ..snapshot(ports) }
}

#[test]
fn what_a_glance_does_not_show_is_no_absence_and_the_second_time_reason_to_look() {
    let mut set = Set::default();
    (1..=2).for_each(|sock| set.apply(opened(sock, sock as u16)));
    for (ports, expected) in [
        (&[1, 2][..], vec![]),
        (&[1], vec![]),
        (&[1], vec![NETNS]),
        (&[1, 2], vec![]),
        (&[2], vec![]),
        (&[1, 2], vec![]),
    ] {
        assert_eq!(set.reconcile(&glance(ports), SIGHT), Repairs::default());
        assert_eq!(set.live.unseen(), BTreeSet::from_iter(expected), "{ports:?}");
    }
    let lossy = Sight { is_lossy: true, ..SIGHT };
    (0..3).for_each(|_| assert_eq!(set.reconcile(&glance(&[]), lossy), Repairs::default()));
    assert_eq!((set.live.len(), set.closes()), (2, 0), "its namespace has a process");
}

#[test]
fn one_that_tables_show_is_looked_for_anew_and_one_that_they_do_not_show_at_once() {
    let mut set = Set::default();
    set.apply(opened(1, 1));
    let unseen = |set: &mut Set| {
        set.reconcile(&glance(&[]), SIGHT);
        !set.live.unseen().is_empty()
    };
    assert_eq!([unseen(&mut set), unseen(&mut set)], [false, true]);
    set.reconcile(&snapshot(&[1]), SIGHT);
    assert_eq!([unseen(&mut set), unseen(&mut set)], [false, true]);
    set.reconcile(&snapshot(&[1]), SIGHT);
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT).suspects, 1);
    assert!(unseen(&mut set), "absent once");
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT).closed, 1);
    assert!(!unseen(&mut set));
}

#[test]
fn a_connection_that_opens_during_a_glance_is_not_missed_by_it() {
    let mut set = Set::default();
    for sock in 1..=3 {
        set.live.begin_snapshot();
        set.apply(opened(sock, sock as u16));
        set.reconcile(&glance(&[]), SIGHT);
        assert_eq!(set.live.unseen(), BTreeSet::new());
        set.apply(closed(sock));
    }
}

#[test]
fn a_glance_is_too_little_while_connections_are_open_that_the_set_does_not_hold() {
    let mut set = Set::new(1);
    assert!(!set.live.wants_all());
    (1..=2).for_each(|sock| set.apply(opened(sock, sock as u16)));
    assert!(set.live.wants_all(), "one found no room");
    let mut set = Set::default();
    set.apply(alike(1));
    for age in 0..2 {
        assert!(set.live.wants_all(), "told of by number, {age} snapshots ago");
        set.live.begin_snapshot();
        set.reconcile(&snapshot(&[]), SIGHT);
    }
    assert!(!set.live.wants_all(), "and over by now");
}
