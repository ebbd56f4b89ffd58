//! The live set: connections that come and go, and a snapshot that finds them all.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod traffic;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ngraph::{
    labels::Marker,
    live::{LiveSet, Sight},
    observe::Observation,
};

const SIGHT: Sight = Sight { sees_ends: true, is_lossy: false, is_first: false };
const ROOM: usize = 1 << 20;

fn live(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("live set");
    for at_a_time in [100, 100_000] {
        let mut set = filled(at_a_time);
        let churn = traffic::observations(&traffic::churn(1_000 + at_a_time, at_a_time, 1_000));
        // Beyond those that are open: each opens one and closes one.
        let churn = &churn[at_a_time as usize..];
        group.throughput(Throughput::Elements(churn.len() as u64));
        group.bench_function(format!("opens and closes among {at_a_time}"), |bencher| {
            bencher.iter(|| apply(&mut set, churn));
        });
    }
    let connections = 80_000;
    let snapshot = traffic::snapshot(connections, 1_000);
    let mut set = filled(connections);
    group.throughput(Throughput::Elements(connections.into()));
    group.bench_function(format!("reconcile {connections} that are known"), |bencher| {
        bencher.iter(|| {
            set.begin_snapshot(true);
            set.reconcile(&snapshot, SIGHT, &mut Marker::off(), |_, change| {
                black_box(change);
            })
        });
    });
    group.bench_function(format!("reconcile {connections} that are new"), |bencher| {
        bencher.iter_batched(
            || LiveSet::new(ROOM),
            |mut set| {
                let first = Sight { is_first: true, ..SIGHT };
                set.reconcile(&snapshot, first, &mut Marker::off(), |_, change| {
                    black_box(change);
                });
                set
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn filled(connections: u32) -> LiveSet {
    let mut set = LiveSet::new(ROOM);
    let records: Vec<_> = (0..connections).map(|number| traffic::open(number, 1_000)).collect();
    apply(&mut set, &traffic::observations(&records));
    set
}

fn apply(set: &mut LiveSet, observations: &[Observation]) {
    let mut marker = Marker::off();
    for observation in observations {
        set.apply(*observation, &mut marker, |_, change| {
            black_box(change);
        });
    }
}

criterion_group!(benches, live);
criterion_main!(benches);
