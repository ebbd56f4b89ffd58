//! The file: its text, as Prometheus reads it and as JSON.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod traffic;

use std::{sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ngraph::{
    export,
    graph::{Answer, Graph},
    health::Health,
    labels::Marker,
    live::Follower as _,
};

fn file(criterion: &mut Criterion) {
    let edges = 10_000;
    let mut graph = Graph::new(traffic::LIMITS);
    let now = Duration::from_secs(1_000);
    traffic::opened(edges).iter().for_each(|change| graph.apply(change, now));
    let name: Arc<str> = Arc::from("peer.example");
    let view = graph.file(now, &Marker::off(), |_| Answer::Known(Arc::clone(&name)));
    let health = Health::default();

    let mut group = criterion.benchmark_group("file");
    group.throughput(Throughput::Elements(edges.into()));
    group.bench_function(format!("text of {edges} edges"), |bencher| {
        bencher.iter_with_large_drop(|| export::prometheus(&view, &health));
    });
    group.bench_function(format!("JSON of {edges} edges"), |bencher| {
        bencher.iter_with_large_drop(|| export::json::json(&view, &health));
    });
    group.finish();
}

criterion_group!(benches, file);
criterion_main!(benches);
