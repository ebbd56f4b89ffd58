//! The graph: folded or not, labelled or not, the sums stay.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use ngraph::{
    flow::{Flow, NetnsId, Reason, Role},
    graph::{Answer, Graph, Limits, View},
    labels::{Label, Labels, Mark, Marker},
    live::{Change, Follower as _},
};
use proptest::{collection::vec, prelude::*};

/// One thing that the graph is told, of one of 16 peers in one direction.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open {
        role: Role,
        peer: u8,
        port: u8,
        is_new: bool,
    },
    /// The one that is open and opened last, if any is, turns out to be of another port.
    Relabel {
        role: Role,
        peer: u8,
        port: u8,
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
    let (peer, port) = (0..16u8, 0..3u8);
    prop_oneof![
        6 => (role.clone(), peer.clone(), port.clone(), prop::bool::weighted(0.9))
            .prop_map(|(role, peer, port, is_new)| Step::Open { role, peer, port, is_new }),
        2 => (role.clone(), peer.clone(), port)
            .prop_map(|(role, peer, port)| Step::Relabel { role, peer, port }),
        4 => (role, peer.clone()).prop_map(|(role, peer)| Step::Close { role, peer }),
        1 => (peer, prop::sample::select(&Reason::ALL[..]))
            .prop_map(|(peer, reason)| Step::Fail { peer, reason }),
        1 => any::<bool>().prop_map(|is_written| Step::File { is_written }),
    ]
}

/// The labels of a port; without any, all have the same.
fn mark(marker: &mut Marker, peer: u8, port: u8) -> Mark {
    let flow = Flow { peer_port: 80 + u16::from(port), ..flow(peer) };
    marker.mark(&flow, Role::Outbound, None)
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

/// An open connection: the file in which it opened, and its labels.
#[derive(Clone, Copy)]
struct Open {
    file: u32,
    mark: Mark,
}

/// Open connections, and sums.
#[derive(Default)]
struct Model {
    open: [[Vec<Open>; 16]; 2],
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

/// The graph, beside the model of what it must show.
struct Run {
    graph: Graph,
    marker: Marker,
    model: Model,
}

const NOW: Duration = Duration::from_secs(1);

impl Run {
    fn start(max_edges: usize, labels: Labels) -> Self {
        let limits = Limits { max_edges, edge_ttl: Duration::MAX, name_wait: Duration::ZERO };
        let (graph, marker) = (Graph::new(limits), Marker::new(labels, Box::new(())));
        Self { graph, marker, model: Model::default() }
    }

    fn view(&mut self) -> View {
        self.graph.file(NOW, &self.marker, |_| Answer::Known(Arc::from("")))
    }

    /// Takes any step but that of a file.
    fn step(&mut self, step: Step) {
        let Self { graph, marker, model } = self;
        let change = match step {
            Step::Open { role, peer, port, is_new } => {
                let mark = mark(marker, peer, port);
                let file = if is_new { model.file } else { u32::MAX };
                model.open[role as usize][usize::from(peer)].push(Open { file, mark });
                model.opened[role as usize] += u64::from(is_new);
                Change::Opened { flow: flow(peer), role, mark, is_new }
            }
            Step::Relabel { role, peer, port } => {
                let Some(open) = model.open[role as usize][usize::from(peer)].last_mut() else {
                    return;
                };
                let mark = mark(marker, peer, port);
                let from = std::mem::replace(&mut open.mark, mark);
                if from == mark {
                    return;
                }
                let is_untold = open.file == model.file;
                Change::Relabelled { flow: flow(peer), role, from, mark, is_untold }
            }
            Step::Close { role, peer } => {
                let Some(open) = model.open[role as usize][usize::from(peer)].pop() else {
                    return;
                };
                let is_brief = open.file == model.file;
                model.brief[role as usize] += u64::from(is_brief);
                Change::Closed { flow: flow(peer), role, mark: open.mark, is_brief }
            }
            Step::Fail { peer, reason } => {
                model.failed[reason as usize] += 1;
                Change::Failed { flow: flow(peer), mark: mark(marker, peer, 0), reason, count: 1 }
            }
            Step::File { .. } => return,
        };
        graph.apply(&change, NOW);
    }

    fn written(&mut self) {
        self.graph.file_written();
        self.model.file += 1;
        self.model.brief = [0, 0];
    }
}

/// What a view says of each pair of addresses in each direction, whatever the labels.
fn by_addresses(view: &View) -> BTreeMap<String, Sums> {
    let mut sums = BTreeMap::<String, Sums>::new();
    for row in &view.rows {
        let sums =
            sums.entry(format!("{:?} {:?} {:?}", row.role, row.local, row.peer)).or_default();
        sums.unique += row.unique;
        sums.opened += row.opened.unwrap_or(0);
        sums.failed.iter_mut().zip(row.failed).for_each(|(sum, failed)| *sum += failed);
    }
    sums
}

fn ports() -> Labels {
    Labels::from([Label::Port])
}

proptest! {
    #![proptest_config(super::config(1_000))]

    #[test]
    fn the_sums_of_a_file_are_those_of_what_happened(
        max_edges in 1..20usize,
        is_labelled in any::<bool>(),
        steps in vec(step(), 0..200),
    ) {
        let mut run = Run::start(max_edges, if is_labelled { ports() } else { Labels::new() });
        for step in steps.into_iter().chain([Step::File { is_written: true }]) {
            let Step::File { is_written } = step else {
                run.step(step);
                continue;
            };
            let view = run.view();
            for role in Role::ALL {
                prop_assert_eq!(shown(&run.graph, &view, role), run.model.sums(role));
                let rows = view.rows.iter().filter(|row| row.role == role).count();
                prop_assert!(rows <= max_edges, "{} rows of {}", rows, max_edges);
            }
            if is_written {
                run.written();
            }
        }
    }

    #[test]
    fn the_sums_over_labels_are_what_a_file_says_without_labels(steps in vec(step(), 0..200)) {
        let [mut labelled, mut plain] = [ports(), Labels::new()].map(|labels| Run::start(100, labels));
        for step in steps.into_iter().chain([Step::File { is_written: true }]) {
            let Step::File { is_written } = step else {
                labelled.step(step);
                plain.step(step);
                continue;
            };
            let [view, without] = [labelled.view(), plain.view()];
            prop_assert_eq!(by_addresses(&view), by_addresses(&without));
            let is_plain = without.rows.iter().all(|row| row.labels.is_empty());
            prop_assert!(is_plain, "{:?}", without);
            if is_written {
                labelled.written();
                plain.written();
            }
        }
    }
}
