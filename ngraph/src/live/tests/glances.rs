//! Snapshots that show a part.

use super::*;

/// What some process holds, and nothing of any table.
fn glance(ports: &[u16]) -> Snapshot {
    let processes = std::collections::BTreeMap::from([(NETNS, "1".to_owned())]);
    Snapshot { namespaces: BTreeSet::new(), processes, is_whole: false, ..snapshot(ports) }
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
        set.live.begin_snapshot(false);
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
        set.live.begin_snapshot(true);
        set.reconcile(&snapshot(&[]), SIGHT);
    }
    assert!(!set.live.wants_all(), "and over by now");
}

#[test]
fn what_was_told_of_by_number_outlives_any_glance_and_is_found_by_whole_snapshots() {
    let mut set = Set::default();
    set.apply(alike(1));
    for _ in 0..3 {
        set.live.begin_snapshot(false);
        set.reconcile(&glance(&[]), SIGHT);
        assert!(set.live.wants_all());
    }
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (1, 1));
}

#[test]
fn one_that_found_no_room_is_not_taken_for_new_after_a_glance() {
    let mut set = Set::new(1);
    (1..=2).for_each(|sock| set.apply(opened(sock, sock as u16)));
    set.apply(closed(1));
    set.live.begin_snapshot(false);
    set.reconcile(&glance(&[]), SIGHT);
    assert!(set.live.wants_all());
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[2]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (1, 2));
}
