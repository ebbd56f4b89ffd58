//! Connections that are told of by their number.

use super::*;

#[test]
fn one_found_before_it_was_accepted_is_none_of_those_told_of_by_number() {
    let mut set = Set::default();
    set.apply(alike(1));
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1000]), SIGHT), Repairs::default());
    assert_eq!(set.counted(), 1, "it may be that one");
    set.apply(accepted(7, 1000));
    assert_eq!((set.counted(), set.live.len()), (2, 1), "it wasn't");
}

#[test]
fn connections_told_of_by_number_are_found_and_not_counted_again() {
    let mut set = Set::default();
    set.apply(alike(3));
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 3));
    // Twice not found, the third is over, and what turns up from now on was missed.
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    set.live.begin_snapshot(true);
    let repairs = set.reconcile(&snapshot(&[1, 2, 3]), SIGHT);
    assert_eq!((repairs.opened, set.counted()), (1, 4));
}

#[test]
fn one_told_of_by_number_that_a_snapshot_skips_is_found_by_the_next() {
    let mut set = Set::default();
    set.apply(alike(1));
    for rows in [&[][..], &[1]] {
        set.live.begin_snapshot(true);
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
    set.live.begin_snapshot(true);
    let repairs = set.reconcile(&snapshot(&[1, 2]), SIGHT);
    assert_eq!((repairs.opened, set.live.len()), (1, 2), "one of the two was missed");
}

#[test]
fn one_that_was_told_of_by_number_and_found_is_closed_by_its_flow() {
    let mut set = Set::default();
    set.apply(alike(1));
    set.live.begin_snapshot(true);
    set.reconcile(&snapshot(&[1]), SIGHT);
    set.apply(closed_unnamed(1, Some(Role::Outbound)));
    assert_eq!((set.live.len(), set.closes()), (0, 1));
}

#[test]
fn a_number_told_while_a_snapshot_is_made_holds_until_the_next() {
    let mut set = Set::default();
    set.live.begin_snapshot(true);
    set.apply(alike(1));
    assert_eq!(set.reconcile(&snapshot(&[]), SIGHT), Repairs::default());
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (1, 1));
}

/// More ends than can be remembered.
fn overrun(set: &mut Set) {
    for sock in 1..=CLOSED_MOST as u64 + 1 {
        set.apply(closed_unnamed(sock as u16, None));
        let flow = Flow { peer_port: (sock >> 16) as u16, ..flow(sock as u16) };
        set.apply(Observation::ClosedUnnamed { flow, alike: None });
    }
}

#[test]
fn what_the_first_snapshot_can_not_be_believed_of_is_none_the_less_older_than_we_are() {
    let mut set = Set::default();
    set.live.begin_snapshot(true);
    overrun(&mut set);
    set.reconcile(&snapshot(&[1, 2]), Sight { is_first: true, ..SIGHT });
    assert!(set.live.wants_all());
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 0));
    assert_eq!(set.reconcile(&snapshot(&[1, 2, 3]), SIGHT).opened, 1);
}

#[test]
fn more_ends_than_can_be_remembered_leave_unknown_rows_to_the_next_snapshot() {
    let mut set = Set::default();
    set.live.begin_snapshot(true);
    overrun(&mut set);
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT), Repairs::default());
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1, 2]), SIGHT).opened, 2);
}

#[test]
fn one_of_those_told_of_by_number_is_found_and_ends_among_them() {
    let mut set = labelled();
    set.apply(alike(1));
    set.live.begin_snapshot(true);
    set.reconcile(&snapshot(&[1000]), SIGHT);
    set.apply(closed_unnamed(1000, Some(Role::Outbound)));
    let [
        Change::OpenedAlike { mark: told, .. },
        Change::Found { mark: found, .. },
        Change::Closed { mark: ended, .. },
    ] = set.changes[..]
    else {
        panic!("{:?}", set.changes);
    };
    assert_eq!((told, told), (found, ended));
    assert_eq!(shown(&set, told), " ", "neither port nor owner is known of them");
}
