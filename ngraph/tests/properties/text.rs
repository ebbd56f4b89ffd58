//! The file: whatever is put in is read back from it.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use ngraph::{
    export::{
        prometheus,
        text::{Kind, Text},
    },
    flow::{Reason, Role},
    graph::{EdgeRow, Peer, View},
    health::Health,
};
use proptest::{collection::vec, prelude::*};

use super::metrics::Metrics;

/// Any text, and often what the format gives a meaning to.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec!['"', '\\', '\n', '\r', '{', '}', ',', '=', ' ', 'n']);
    vec(prop_oneof![special, any::<char>()], 0..12).prop_map(String::from_iter)
}

fn row() -> impl Strategy<Value = EdgeRow> {
    let peer = prop_oneof![
        3 => any::<IpAddr>().prop_map(Peer::Address),
        1 => Just(Peer::Other)
    ];
    // What a float can't hold exactly is a thousand years of connections away.
    let count = 0..1u64 << 53;
    (
        prop::sample::select(&Role::ALL[..]),
        any::<IpAddr>(),
        peer,
        text(),
        prop::option::of(text()),
        count.clone(),
        prop::option::of(count.clone()),
        prop::array::uniform5(prop_oneof![Just(0), count]),
    )
        .prop_map(|(role, local, peer, name, process, unique, opened, failed)| EdgeRow {
            role,
            local: (peer != Peer::Other).then_some(local),
            peer,
            name: Arc::from(name),
            labels: process.map(|process| ("process", process)).into_iter().collect(),
            open: unique,
            unique,
            opened,
            failed,
            age: Duration::ZERO,
        })
}

/// The samples of edges in a file: family and labels, in order of their names, to value.
type Samples = BTreeMap<(String, Vec<(String, String)>), u64>;

fn put_in(rows: &[EdgeRow]) -> Samples {
    let mut samples = Samples::new();
    for row in rows {
        let local = row.local.map(|ip| ip.to_string()).unwrap_or_default();
        let peer = match row.peer {
            Peer::Address(ip) => ip.to_string(),
            Peer::Other => "other".to_owned(),
        };
        let (src, dest, family) = match row.role {
            Role::Inbound => (peer, local, "network_connections_input_total"),
            Role::Outbound => (local, peer, "network_connections_output_total"),
        };
        let mut put = |family: &str, more: &[(&str, &str)], value: u64| {
            let plain = [("src_ip", &*src), ("dest_ip", &*dest), ("peer_hostname", &*row.name)];
            let labelled = row.labels.iter().map(|(label, value)| (*label, &**value));
            let labels: BTreeMap<_, _> =
                plain.into_iter().chain(labelled).chain(more.iter().copied()).collect();
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            samples.insert((family.to_owned(), labels.into_iter().map(owned).collect()), value);
        };
        if row.unique > 0 {
            put(family, &[], row.unique);
        }
        if let Some(opened) = row.opened {
            let direction = [("direction", row.role.direction())];
            put("ngraph_connections_opened_total", &direction, opened);
        }
        for (reason, failed) in Reason::ALL.iter().zip(row.failed).filter(|(_, failed)| *failed > 0)
        {
            put("ngraph_connect_failures_total", &[("reason", reason.label())], failed);
        }
    }
    samples
}

fn read_back(file: &str) -> Samples {
    let edges = Metrics::parse(file).0.into_iter().filter(|it| it.labels.contains_key("src_ip"));
    edges.map(|it| ((it.name, it.labels.into_iter().collect()), it.value as u64)).collect()
}

proptest! {
    #![proptest_config(super::config(1_000))]

    #[test]
    fn a_file_says_of_each_edge_what_the_view_says(mut rows in vec(row(), 0..6)) {
        // An edge is in a view once.
        rows.sort_by_key(|row| (row.role, row.local, row.peer));
        rows.dedup_by_key(|row| (row.role, row.local, row.peer));
        let view = View { rows, waiting: 0 };
        let file = prometheus(&view, &Health::default());
        prop_assert_eq!(read_back(&file), put_in(&view.rows));
        prop_assert_eq!(file, prometheus(&view, &Health::default()), "other bytes the second time");
    }

    #[test]
    fn a_label_of_any_text_is_read_back(values in vec(text(), 1..4)) {
        let names = ["a", "b", "c"];
        let labels: Vec<(&str, &dyn std::fmt::Display)> =
            names.into_iter().zip(values.iter().map(|value| value as &dyn std::fmt::Display)).collect();
        let mut text = Text::default();
        text.family("x", Kind::Gauge, "X.").sample(&labels, 1);
        let read = Metrics::parse(&text.finish()).0.remove(0).labels;
        prop_assert_eq!(read.into_values().collect::<Vec<_>>(), values);
    }
}
