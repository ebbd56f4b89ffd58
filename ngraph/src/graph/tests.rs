//! The graph's rules.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::*;
use crate::{
    flow::{Flow, NetnsId, Reason},
    labels::{Label, Labels, Marker},
};

const LIMITS: Limits =
    Limits { max_edges: 100, edge_ttl: Duration::from_secs(60), name_wait: Duration::from_secs(5) };

fn flow(peer: &str) -> Flow {
    let [local, peer]: [IpAddr; 2] = ["10.0.0.1", peer].map(|ip| ip.parse().unwrap());
    let (local, peer) = (local.into(), peer.into());
    Flow { netns: NetnsId(1), local, local_port: 1, peer, peer_port: 2 }
}

fn opened(peer: &str) -> Change {
    Change::Opened { flow: flow(peer), role: Role::Outbound, mark: Mark::NONE, is_new: true }
}

fn closed(peer: &str, is_brief: bool) -> Change {
    Change::Closed { flow: flow(peer), role: Role::Outbound, mark: Mark::NONE, is_brief }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn nameless(_: IpAddr) -> Answer {
    Answer::Known(Arc::from(""))
}

fn written(graph: &mut Graph, now: Duration, name: impl FnMut(IpAddr) -> Answer) -> View {
    let view = graph.file(now, &Marker::off(), name);
    graph.file_written();
    view
}

fn sums(view: &View) -> (u64, u64) {
    let opened = view.rows.iter().filter_map(|row| row.opened).sum();
    (view.rows.iter().map(|row| row.unique).sum(), opened)
}

#[test]
fn a_file_counts_what_is_open_and_what_opened_and_closed_since_the_one_before() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.apply(&closed("10.0.0.2", true), secs(1));
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (2, 2));
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (1, 2));
    graph.apply(&closed("10.0.0.2", false), secs(3));
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (0, 2));
}

#[test]
fn a_file_that_was_not_written_loses_nothing() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.apply(&closed("10.0.0.2", true), secs(1));
    assert_eq!(sums(&graph.file(secs(1), &Marker::off(), nameless)), (1, 1));
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (1, 1));
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (0, 1));
}

#[test]
fn a_connection_that_was_there_at_the_start_was_not_opened() {
    let mut graph = Graph::new(LIMITS);
    let (flow, role) = (flow("10.0.0.2"), Role::Inbound);
    let change = Change::Opened { flow, role, mark: Mark::NONE, is_new: false };
    graph.apply(&change, secs(1));
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (1, 0));
}

#[test]
fn failures_alone_are_no_connection() {
    let mut graph = Graph::new(LIMITS);
    let (flow, reason) = (flow("10.0.0.2"), Reason::Refused);
    let failed = Change::Failed { flow, mark: Mark::NONE, reason, count: 1 };
    graph.apply(&failed, secs(1));
    let view = written(&mut graph, secs(1), nameless);
    assert_eq!(view.rows[0].opened, None);
    assert_eq!(view.rows[0].failed, [1, 0, 0, 0, 0]);
    assert_eq!(view.rows[0].unique, 0);
}

#[test]
fn an_edge_leaves_when_it_had_no_connection_for_its_time_and_not_before() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    assert_eq!(written(&mut graph, secs(1000), nameless).rows.len(), 1, "open connections stay");
    graph.apply(&closed("10.0.0.2", false), secs(1000));
    assert_eq!(written(&mut graph, secs(1059), nameless).rows.len(), 1);
    assert_eq!(written(&mut graph, secs(1060), nameless).rows.len(), 0);
    assert_eq!(graph.edges(Role::Outbound), 0);
}

#[test]
fn past_the_budget_the_smallest_edges_are_folded_and_the_sums_stay() {
    let mut graph = Graph::new(Limits { max_edges: 10, ..LIMITS });
    let peers: Vec<String> = (0..25).map(|i| format!("10.1.0.{i}")).collect();
    for (i, peer) in peers.iter().enumerate() {
        for _ in 0..=i {
            graph.apply(&opened(peer), secs(1));
        }
    }
    let all = 25 * 26 / 2;
    let view = written(&mut graph, secs(1), nameless);
    assert_eq!(view.rows.len(), 10);
    assert_eq!(sums(&view), (all, all));
    assert_eq!(view.rows.last().unwrap().peer, Peer::Other);
    assert!(view.rows.iter().any(|row| row.unique == 25), "the largest edge stays");
    assert_eq!(graph.folded(Role::Outbound), 16);
    // What was folded goes on counting there, and ends there.
    for peer in &peers {
        graph.apply(&opened(peer), secs(2));
        graph.apply(&closed(peer, true), secs(2));
    }
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (all + 25, all + 25));
    for (i, peer) in peers.iter().enumerate() {
        for _ in 0..=i {
            graph.apply(&closed(peer, false), secs(3));
        }
    }
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (0, all + 25));
    assert_eq!(graph.open(Role::Outbound), 0);
}

#[test]
fn between_two_files_there_are_never_more_than_twice_the_budget() {
    let mut graph = Graph::new(Limits { max_edges: 10, ..LIMITS });
    for i in 0..5_000u32 {
        let peer = std::net::Ipv4Addr::from(0x0a01_0000 + i).to_string();
        graph.apply(&opened(&peer), secs(1));
        graph.apply(&closed(&peer, true), secs(1));
        assert!(graph.edges.len() <= 21, "{}", graph.edges.len());
    }
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (5_000, 5_000));
}

#[test]
fn an_edge_waits_for_its_name_and_then_keeps_it() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.apply(&closed("10.0.0.2", true), secs(1));
    let view = written(&mut graph, secs(2), |_| Answer::Pending);
    assert_eq!((view.rows.len(), view.waiting), (0, 1));
    let view = written(&mut graph, secs(3), |_| Answer::Known(Arc::from("a.example")));
    assert_eq!(&*view.rows[0].name, "a.example");
    assert_eq!(view.rows[0].unique, 1, "what was held back isn't lost");
    let view = written(&mut graph, secs(4), |_| Answer::Known(Arc::from("b.example")));
    assert_eq!(&*view.rows[0].name, "a.example");
}

#[test]
fn what_was_open_while_its_edge_waited_is_told_when_it_is_over() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.apply(&opened("10.0.0.2"), secs(1));
    let view = written(&mut graph, secs(2), |_| Answer::Pending);
    assert_eq!((view.rows.len(), view.waiting), (0, 1));
    graph.apply(&closed("10.0.0.2", false), secs(3));
    assert_eq!(sums(&written(&mut graph, secs(4), nameless)), (2, 2), "one open, one over");
    graph.apply(&closed("10.0.0.2", false), secs(5));
    assert_eq!(sums(&written(&mut graph, secs(6), nameless)), (0, 2), "both had been told");
}

#[test]
fn an_edge_waits_no_longer_than_it_may() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    let view = written(&mut graph, secs(6), |_| Answer::Pending);
    assert_eq!(&*view.rows[0].name, "");
    let view = written(&mut graph, secs(7), |_| Answer::Known(Arc::from("late.example")));
    assert_eq!(&*view.rows[0].name, "", "one edge is one series");
}

#[test]
fn connections_told_of_by_number_are_brief_until_one_is_found() {
    let mut graph = Graph::new(LIMITS);
    let (flow, role, mark) = (flow("10.0.0.2"), Role::Outbound, Mark::NONE);
    graph.apply(&Change::OpenedAlike { flow, role, mark, count: 5 }, secs(1));
    assert_eq!(sums(&graph.file(secs(1), &Marker::off(), nameless)), (5, 5));
    graph.apply(&Change::Found { flow, role, mark }, secs(1));
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (5, 5), "four brief, one open");
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (1, 5));
    // One that is found after the file that told it as brief.
    graph.apply(&Change::Found { flow, role, mark }, secs(3));
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (2, 5));
}

/// A graph, and marks of three ports in the order of their coming.
fn labelled(max_edges: usize) -> (Graph, Marker, [Mark; 3]) {
    let mut marker = Marker::new(Labels::from([Label::Port]), Box::new(()));
    let of = |port| Flow { peer_port: port, ..flow("10.0.0.2") };
    let marks = [443, 80, 22].map(|port| marker.mark(&of(port), Role::Outbound, None));
    (Graph::new(Limits { max_edges, ..LIMITS }), marker, marks)
}

fn opened_as(mark: Mark) -> Change {
    Change::Opened { flow: flow("10.0.0.2"), role: Role::Outbound, mark, is_new: true }
}

#[test]
fn labels_are_part_of_what_an_edge_is() {
    let (mut graph, marker, marks) = labelled(100);
    [0, 1, 0, 2].into_iter().for_each(|at: usize| graph.apply(&opened_as(marks[at]), secs(1)));
    let view = graph.file(secs(1), &marker, nameless);
    let shown: Vec<_> = view.rows.iter().map(|row| (&*row.labels[0].1, row.unique)).collect();
    assert_eq!(shown, [("22", 1), ("80", 1), ("443", 2)], "in the order of their values");
}

#[test]
fn the_edge_that_the_rest_is_folded_into_has_no_labels_and_the_sums_stay() {
    let (mut graph, marker, marks) = labelled(2);
    [0, 1, 0, 2].into_iter().for_each(|at: usize| graph.apply(&opened_as(marks[at]), secs(1)));
    let view = graph.file(secs(1), &marker, nameless);
    assert_eq!((view.rows.len(), sums(&view)), (2, (4, 4)));
    let other = view.rows.last().unwrap();
    assert_eq!((other.peer, &*other.labels, other.unique), (Peer::Other, &[][..], 2));
}

#[test]
fn an_edge_whose_connections_turn_out_to_be_anothers_never_was() {
    let (mut graph, marker, [before, after, _]) = labelled(100);
    let (flow, role) = (flow("10.0.0.2"), Role::Outbound);
    let relabelled =
        |is_untold| Change::Relabelled { flow, role, from: before, mark: after, is_untold };
    graph.apply(&opened_as(before), secs(1));
    graph.apply(&relabelled(true), secs(1));
    let view = graph.file(secs(1), &marker, nameless);
    assert_eq!((view.rows.len(), sums(&view), graph.edges(role)), (1, (1, 1), 1));
    assert_eq!(view.rows[0].labels, [("port", "80".to_owned())]);
}

#[test]
fn what_a_file_has_told_of_as_opened_stays_where_it_was_told() {
    let (mut graph, marker, [before, after, _]) = labelled(100);
    let (flow, role) = (flow("10.0.0.2"), Role::Outbound);
    graph.apply(&opened_as(before), secs(1));
    graph.file(secs(1), &marker, nameless);
    graph.file_written();
    let is_untold = false;
    graph.apply(&Change::Relabelled { flow, role, from: before, mark: after, is_untold }, secs(2));
    let view = graph.file(secs(2), &marker, nameless);
    let counts: Vec<_> = view.rows.iter().map(|row| (row.unique, row.opened)).collect();
    assert_eq!(counts, [(1, Some(0)), (0, Some(1))], "port 80, port 443");
}

#[test]
fn edges_of_peers_that_are_not_wanted_any_more_leave_and_what_was_folded_is_not_open() {
    let mut graph = Graph::new(Limits { max_edges: 3, ..LIMITS });
    // The first two are folded: they have the fewest connections.
    for (peer, count) in [("10.0.0.2", 1), ("10.0.0.3", 1), ("10.0.0.4", 3), ("10.0.0.5", 4)] {
        for _ in 0..count {
            graph.apply(&opened(peer), secs(1));
        }
    }
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (9, 9));
    assert_eq!((graph.edges(Role::Outbound), graph.folded(Role::Outbound)), (2, 2));
    let unwanted: [IpAddr; 2] = ["10.0.0.3", "10.0.0.5"].map(|ip| ip.parse().unwrap());
    graph.retain(|peer| !unwanted.contains(&peer));
    assert_eq!(graph.edges(Role::Outbound), 1);
    assert_eq!(graph.open(Role::Outbound), 4, "one folded, three of the one that is left");
    // What has happened has happened, folded or not; the edge that left is gone with its counts.
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (4, 5));
    for peer in ["10.0.0.2", "10.0.0.4", "10.0.0.4", "10.0.0.4"] {
        graph.apply(&closed(peer, false), secs(3));
    }
    assert_eq!(graph.open(Role::Outbound), 0);
}

#[test]
fn where_somebody_else_tells_names_each_edge_waits_for_one_again() {
    let mut graph = Graph::new(LIMITS);
    graph.apply(&opened("10.0.0.2"), secs(1));
    graph.take_new_peers();
    assert_eq!(&*written(&mut graph, secs(1), nameless).rows[0].name, "");
    graph.forget_names(secs(100));
    assert_eq!(graph.take_new_peers().len(), 1, "its name is asked for");
    let pending = |_| Answer::Pending;
    assert_eq!(written(&mut graph, secs(101), pending).waiting, 1);
    let named = |_| Answer::Known(Arc::from("db"));
    let view = written(&mut graph, secs(102), named);
    assert_eq!((&*view.rows[0].name, view.rows[0].opened), ("db", Some(1)));
}

#[test]
fn other_limits_hold_from_the_next_file_on() {
    let mut graph = Graph::new(LIMITS);
    for peer in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
        graph.apply(&opened(peer), secs(1));
    }
    graph.apply(&closed("10.0.0.2", false), secs(1));
    assert_eq!(written(&mut graph, secs(2), nameless).rows.len(), 3);
    graph.set_limits(Limits { edge_ttl: secs(5), max_edges: 1, ..LIMITS });
    let view = written(&mut graph, secs(10), nameless);
    assert_eq!((view.rows.len(), sums(&view)), (1, (2, 2)));
}
