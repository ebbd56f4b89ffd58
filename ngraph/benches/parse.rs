//! What is read: records of the ring buffer and of the iterator, TCP tables, BTF.
#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod traffic;

use std::{fs, hint::black_box, os::unix::fs::symlink, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ngraph::{
    config::Scope,
    kernel::offsets::Offsets,
    snapshot::{Snapshot, held, procfs},
};
use ngraph_common::event::{self, FlowEvent};
use tempfile::TempDir;
use zerocopy::IntoBytes as _;

const MANY: u32 = 10_000;

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(MANY.into()));

    let records = traffic::churn(MANY, 100, 1_000);
    let records = traffic::wire(&records);
    group.bench_function(format!("{MANY} records of the ring buffer"), |bencher| {
        let mut room = FlowEvent::default();
        bencher.iter(|| {
            for record in black_box(&records) {
                let told = event::read(record, &mut room).map(|it| traffic::READING.observe(it));
                let _ = black_box(told);
            }
        });
    });

    let records = traffic::held(MANY, 1_000);
    let bytes = records.as_bytes();
    group.bench_function(format!("{MANY} records of the iterator"), |bencher| {
        bencher.iter_with_large_drop(|| {
            let mut snapshot = Snapshot::default();
            held::read(black_box(bytes), MANY as usize, &mut snapshot).map(|()| snapshot)
        });
    });

    let root = proc_with(&traffic::table(MANY, 1_000));
    group.bench_function(format!("a TCP table of {MANY} lines, in a file"), |bencher| {
        let now = || Duration::from_secs(1);
        bencher.iter_with_large_drop(|| procfs::take(root.path(), Scope::Own, now));
    });

    let seed =
        Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("fuzz/corpus/btf/small_kernel.bin");
    for (of, file) in [("a small kernel", &*seed), ("this kernel", Path::new(BTF))] {
        // A kernel may be without.
        if let Ok(bytes) = fs::read(file) {
            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(format!("BTF of {of}"), |bencher| {
                bencher.iter(|| Offsets::from_btf(black_box(&bytes)));
            });
        }
    }
    group.finish();
}

const BTF: &str = "/sys/kernel/btf/vmlinux";

/// A proc file system of one process, with this table.
fn proc_with(table: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let process = root.path().join("1");
    for folder in ["ns", "net"] {
        fs::create_dir_all(process.join(folder)).expect("a folder in it");
    }
    symlink("1", root.path().join("self")).expect("a link to it");
    symlink(format!("net:[{}]", traffic::NETNS), process.join("ns/net")).expect("a link in it");
    fs::write(process.join("net/tcp"), table).expect("a table");
    fs::write(process.join("net/tcp6"), "").expect("an empty table");
    root
}

criterion_group!(benches, parse);
criterion_main!(benches);
