//! The same flow on several links.

use super::*;

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
        set.live.begin_snapshot(true);
        assert_eq!(set.reconcile(&snapshot(&[1000, 1000]), SIGHT), Repairs::default());
    }
    set.apply(closed(1));
    for _ in 0..3 {
        set.live.begin_snapshot(true);
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
