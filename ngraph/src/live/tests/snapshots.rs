//! What snapshots make of it.

use super::*;

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
    set.live.begin_snapshot(true);
    set.apply(opened(1, 1000));
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    assert_eq!(set.live.len(), 1);
}

#[test]
fn a_row_of_a_connection_that_closed_meanwhile_is_out_of_date() {
    let mut set = Set::default();
    set.apply(opened(1, 1000));
    set.live.begin_snapshot(true);
    set.apply(closed(1));
    set.apply(closed_unnamed(2000, None));
    assert_eq!(set.reconcile(&snapshot(&[1000, 2000]), SIGHT), Repairs::default());
    assert!(set.live.is_empty());
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
    set.live.begin_snapshot(true);
    set.apply(opened(1, 1000));
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs::default());
    for expected in [(1, 0), (0, 1)] {
        set.live.begin_snapshot(true);
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
