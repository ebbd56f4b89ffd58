//! The graph: folded or not, the sums stay.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ngraph::{
    flow::{Flow, NetnsId, Reason, Role},
    graph::{Answer, Graph, Limits, View},
    live::Change,
};
use proptest::{collection::vec, prelude::*};

/// One thing that the graph is told, of one of 16 peers in one direction.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open {
        role: Role,
        peer: u8,
        is_new: bool,
    },
    /// One that is open, if any is; brief if it opened since the last file.
    Close {
        role: Role,
        peer: u8,
    },
    Fail {
        peer: u8,
        reason: Reason,
    },
    File {
        is_written: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let role = prop::sample::select(&Role::ALL[..]);
    let peer = 0..16u8;
    prop_oneof![
        6 => (role.clone(), peer.clone(), prop::bool::weighted(0.9))
            .prop_map(|(role, peer, is_new)| Step::Open { role, peer, is_new }),
        4 => (role, peer.clone()).prop_map(|(role, peer)| Step::Close { role, peer }),
        1 => (peer, prop::sample::select(&Reason::ALL[..]))
            .prop_map(|(peer, reason)| Step::Fail { peer, reason }),
        1 => any::<bool>().prop_map(|is_written| Step::File { is_written }),
    ]
}

fn flow(peer: u8) -> Flow {
    let [local, peer] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(10, 0, 0, peer)];
    let (local, peer) = (std::net::IpAddr::from(local).into(), std::net::IpAddr::from(peer).into());
    Flow { netns: NetnsId(1), local, local_port: 1, peer, peer_port: 2 }
}

/// The sums of one direction: what the graph must show, however it is folded.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    open: u64,
    unique: u64,
    opened: u64,
    failed: [u64; Reason::ALL.len()],
}

/// Open connections as numbers of the file in which each opened, and sums.
#[derive(Default)]
struct Model {
    open: [[Vec<u32>; 16]; 2],
    file: u32,
    brief: [u64; 2],
    opened: [u64; 2],
    failed: [u64; Reason::ALL.len()],
}

impl Model {
    fn sums(&self, role: Role) -> Sums {
        let open = self.open[role as usize].iter().map(Vec::len).sum::<usize>() as u64;
        Sums {
            open,
            unique: open + self.brief[role as usize],
            opened: self.opened[role as usize],
            failed: if role == Role::Outbound { self.failed } else { Default::default() },
        }
    }
}

fn shown(graph: &Graph, view: &View, role: Role) -> Sums {
    let mut sums = Sums { open: graph.open(role), ..Sums::default() };
    for row in view.rows.iter().filter(|row| row.role == role) {
        sums.unique += row.unique;
        sums.opened += row.opened.unwrap_or(0);
        for (sum, failed) in sums.failed.iter_mut().zip(row.failed) {
            *sum += failed;
        }
    }
    sums
}

proptest! {
    #![proptest_config(super::config(1_000))]

    #[test]
    fn the_sums_of_a_file_are_those_of_what_happened(
        max_edges in 1..20usize,
        steps in vec(step(), 0..200),
    ) {
        let limits = Limits { max_edges, edge_ttl: Duration::MAX, name_wait: Duration::ZERO };
        let (mut graph, mut model) = (Graph::new(limits), Model::default());
        for step in steps.into_iter().chain([Step::File { is_written: true }]) {
            let now = Duration::from_secs(1);
            match step {
                Step::Open { role, peer, is_new } => {
                    model.open[role as usize][usize::from(peer)]
                        .push(if is_new { model.file } else { u32::MAX });
                    model.opened[role as usize] += u64::from(is_new);
                    graph.apply(&Change::Opened { flow: flow(peer), role, is_new }, now);
                }
                Step::Close { role, peer } => {
                    let Some(file) = model.open[role as usize][usize::from(peer)].pop() else {
                        continue;
                    };
                    let is_brief = file == model.file;
                    model.brief[role as usize] += u64::from(is_brief);
                    graph.apply(&Change::Closed { flow: flow(peer), role, is_brief }, now);
                }
                Step::Fail { peer, reason } => {
                    model.failed[reason as usize] += 1;
                    graph.apply(&Change::Failed { flow: flow(peer), reason, count: 1 }, now);
                }
                Step::File { is_written } => {
                    let view = graph.file(now, |_| Answer::Known(Arc::from("")));
                    for role in Role::ALL {
                        prop_assert_eq!(shown(&graph, &view, role), model.sums(role));
                        let rows = view.rows.iter().filter(|row| row.role == role).count();
                        prop_assert!(rows <= max_edges, "{} rows of {}", rows, max_edges);
                    }
                    if is_written {
                        graph.file_written();
                        model.file += 1;
                        model.brief = [0, 0];
                    }
                }
            }
        }
    }
}
