//! Owners that are told of late.

use super::*;

#[test]
fn an_owner_told_of_after_the_opening_moves_the_connection_and_its_end() {
    let mut set = labelled();
    set.apply(opened(1, 1000));
    let id = ConnId { sock: 1, opened_ns: 10 };
    set.apply(Observation::Owned { id, owner: owner() });
    set.apply(Observation::Owned { id, owner: owner() });
    set.apply(closed(1));
    let [
        Change::Opened { mark: before, .. },
        Change::Relabelled { from, mark: after, is_untold: true, .. },
        Change::Closed { mark: at_end, .. },
    ] = set.changes[..]
    else {
        panic!("{:?}", set.changes);
    };
    assert_eq!((before, after), (from, at_end));
    assert_eq!((&*shown(&set, before), &*shown(&set, after)), ("80 ", "80 nginx"));
}

#[test]
fn an_owner_of_a_connection_that_a_file_has_told_of_moves_no_count_of_it() {
    let mut set = labelled();
    set.apply(opened(1, 1000));
    set.live.file_written();
    set.apply(Observation::Owned { id: ConnId { sock: 1, opened_ns: 10 }, owner: owner() });
    let last = set.changes.last();
    assert!(matches!(last, Some(Change::Relabelled { is_untold: false, .. })), "{last:?}");
}

#[test]
fn an_owner_of_no_connection_is_nobodys() {
    let mut set = labelled();
    set.apply(Observation::Owned { id: ConnId { sock: 1, opened_ns: 10 }, owner: owner() });
    assert_eq!(set.changes, []);
}

#[test]
fn a_connection_found_waiting_has_the_owner_who_takes_it() {
    let mut set = labelled();
    set.reconcile(&snapshot(&[1000]), SIGHT);
    let Observation::Opened { id, flow, link, role, .. } = accepted(7, 1000) else {
        panic!("no opening");
    };
    let (owner, may_be_known) = (Some(owner()), true);
    set.apply(Observation::Opened { id, flow, link, role, owner, may_be_known });
    let last = *set.changes.last().unwrap();
    let Change::Relabelled { mark, .. } = last else {
        panic!("{last:?}");
    };
    assert!(shown(&set, mark).ends_with("nginx"));
}
