//! The graph: changes taken in, edges for a file, edges folded past the budget.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod traffic;

use std::{sync::Arc, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ngraph::{
    graph::{Answer, Graph, Limits, View},
    labels::Marker,
    live::{Change, Follower as _},
};

const NOW: Duration = Duration::from_secs(1_000);

fn graph(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph");
    let edges = 10_000;
    let changes = traffic::opened(edges);
    group.throughput(Throughput::Elements(edges.into()));
    let mut known = filled(traffic::LIMITS, &changes);
    group.bench_function(format!("changes on {edges} edges"), |bencher| {
        bencher.iter(|| changes.iter().for_each(|change| known.apply(change, NOW)));
    });
    group.bench_function(format!("changes that make {edges} edges"), |bencher| {
        bencher.iter_batched(
            || (),
            |()| filled(traffic::LIMITS, &changes),
            BatchSize::PerIteration,
        );
    });
    group.bench_function(format!("view of {edges} edges"), |bencher| {
        bencher.iter_with_large_drop(|| view(&mut known));
    });
    // The directions have the same number each.
    let limits = Limits { max_edges: edges as usize / 4, ..traffic::LIMITS };
    group.bench_function(format!("view of {edges} edges, half of them folded"), |bencher| {
        bencher.iter_batched(
            || filled(limits, &changes),
            |mut graph| (view(&mut graph), graph),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn filled(limits: Limits, changes: &[Change]) -> Graph {
    let mut graph = Graph::new(limits);
    changes.iter().for_each(|change| graph.apply(change, NOW));
    graph
}

fn view(graph: &mut Graph) -> View {
    let name: Arc<str> = Arc::from("peer.example");
    graph.file(NOW, &Marker::off(), |_| Answer::Known(Arc::clone(&name)))
}

criterion_group!(benches, graph);
criterion_main!(benches);
