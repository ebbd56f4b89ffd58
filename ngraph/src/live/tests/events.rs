//! What events alone make of it.

use super::*;

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
fn a_connection_older_than_the_hooks_ends_by_its_flow() {
    let mut set = Set::default();
    set.reconcile(&snapshot(&[1000]), Sight { is_first: true, ..SIGHT });
    set.apply(closed_unnamed(1000, None));
    assert_eq!((set.closes(), set.live.len()), (1, 0));
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
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[1, 2, 3, 4, 5]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted(), set.live.turned_away()), (2, 5, 3));
    // Room again: those that had none are found, and not as new.
    (1..=2).for_each(|sock| set.apply(closed(sock)));
    set.live.begin_snapshot(true);
    assert_eq!(set.reconcile(&snapshot(&[4, 5]), SIGHT), Repairs::default());
    assert_eq!((set.live.len(), set.counted()), (2, 5));
    set.live.begin_snapshot(true);
    (4..=5).for_each(|port| set.apply(closed_unnamed(port, None)));
    assert_eq!(set.reconcile(&snapshot(&[6]), SIGHT).opened, 1, "this one was missed");
}
