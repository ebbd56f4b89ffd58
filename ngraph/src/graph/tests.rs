//! The graph's rules.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::*;
use crate::flow::{Flow, NetnsId, Reason};

const LIMITS: Limits =
    Limits { max_edges: 100, edge_ttl: Duration::from_secs(60), name_wait: Duration::from_secs(5) };

fn flow(peer: &str) -> Flow {
    let [local, peer]: [IpAddr; 2] = ["10.0.0.1", peer].map(|ip| ip.parse().unwrap());
    let (local, peer) = (local.into(), peer.into());
    Flow { netns: NetnsId(1), local, local_port: 1, peer, peer_port: 2 }
}

fn opened(peer: &str) -> Change {
    Change::Opened { flow: flow(peer), role: Role::Outbound, is_new: true }
}

fn closed(peer: &str, is_brief: bool) -> Change {
    Change::Closed { flow: flow(peer), role: Role::Outbound, is_brief }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn nameless(_: IpAddr) -> Answer {
    Answer::Known(Arc::from(""))
}

fn written(graph: &mut Graph, now: Duration, name: impl FnMut(IpAddr) -> Answer) -> View {
    let view = graph.file(now, name);
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
    assert_eq!(sums(&graph.file(secs(1), nameless)), (1, 1));
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (1, 1));
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (0, 1));
}

#[test]
fn a_connection_that_was_there_at_the_start_was_not_opened() {
    let mut graph = Graph::new(LIMITS);
    let change = Change::Opened { flow: flow("10.0.0.2"), role: Role::Inbound, is_new: false };
    graph.apply(&change, secs(1));
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (1, 0));
}

#[test]
fn failures_alone_are_no_connection() {
    let mut graph = Graph::new(LIMITS);
    let failed = Change::Failed { flow: flow("10.0.0.2"), reason: Reason::Refused, count: 1 };
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
    let (flow, role) = (flow("10.0.0.2"), Role::Outbound);
    graph.apply(&Change::OpenedAlike { flow, role, count: 5 }, secs(1));
    assert_eq!(sums(&graph.file(secs(1), nameless)), (5, 5));
    graph.apply(&Change::Found { flow, role }, secs(1));
    assert_eq!(sums(&written(&mut graph, secs(1), nameless)), (5, 5), "four brief, one open");
    assert_eq!(sums(&written(&mut graph, secs(2), nameless)), (1, 5));
    // One that is found after the file that told it as brief.
    graph.apply(&Change::Found { flow, role }, secs(3));
    assert_eq!(sums(&written(&mut graph, secs(3), nameless)), (2, 5));
}
