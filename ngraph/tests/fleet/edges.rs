//! The rules' edges are the traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{
    deploy, picture, programs,
    prometheus::{Labels, Prometheus},
    support::isolated,
    world::Fleet,
};

/// From where to where how many. The hub has no agent, and c tells nothing of b.
const TRAFFIC: [(&str, &str, usize); 6] =
    [("a", "b", 7), ("b", "a", 2), ("a", "c", 3), ("b", "c", 5), ("c", "hub", 4), ("a", "a", 6)];
/// From a to b.
const REFUSED: usize = 8;

#[test]
fn a_fleets_edges_are_its_traffic() {
    let Some(programs) = programs() else {
        return;
    };
    isolated(|| {
        let fleet = Fleet::start(&programs);
        for (from, to, count) in TRAFFIC {
            fleet.connect(from, to, count);
        }
        fleet.refused("a", "b", REFUSED);
        // First: it is what opened within the window.
        picture::of_a_range(&fleet, &TRAFFIC, REFUSED as u64);
        // The hub is the one that scrapes: what it opens isn't the test's traffic.
        let scraped = fleet.hub.ip;
        let edges = format!("edge:ngraph_connections_opened:increase5m{{src_ip!='{scraped}'}} > 0");
        let expected = TRAFFIC.map(|(from, to, count)| {
            let (src, dest) = (fleet.place(from).ip.to_string(), fleet.place(to).ip.to_string());
            // No agent, no host: the address stands for itself.
            let target = if to == "hub" { dest.as_str() } else { to };
            let labels =
                [("source", from), ("target", target), ("src_ip", &src), ("dest_ip", &dest)];
            (labels_of(&labels), count as f64)
        });
        becomes(&fleet.prometheus, &edges, expected.into());

        let (b, c, hub) = (fleet.place("b").ip, fleet.place("c").ip, fleet.hub.ip);
        let [b, c, hub] = [b, c, hub].map(|ip| ip.to_string());
        let one_sided = format!("edge:ngraph_one_sided:increase5m{{src_ip!='{scraped}'}}");
        let silent = |source, target, src, dest, agent| {
            let missing = ("missing", "input");
            labels_of(&[
                ("source", source),
                ("target", target),
                ("src_ip", src),
                ("dest_ip", dest),
                missing,
                ("agent", agent),
            ])
        };
        let expected =
            [(silent("b", "c", &b, &c, "yes"), 5.0), (silent("c", &hub, &c, &hub, "no"), 4.0)];
        becomes(&fleet.prometheus, &one_sided, expected.into());

        let failures = "sum by (instance, dest_ip, reason) (instance_edge:ngraph_connect_failures:increase5m) > 0";
        let refused = labels_of(&[("instance", "a"), ("dest_ip", &b), ("reason", "refused")]);
        becomes(&fleet.prometheus, failures, [(refused, REFUSED as f64)].into());

        fleet.prometheus.wait_for("nothing that the kernel alone counted", |prometheus| {
            let uncaptured = prometheus.query("instance:ngraph_opens_uncaptured:sum").unwrap();
            uncaptured.len() == 2 * fleet.hosts.len() && uncaptured.values().all(|&it| it == 0.0)
        });
        picture::of_prometheus(&fleet, &TRAFFIC, REFUSED as u64);
        picture::of_files(&fleet, &TRAFFIC, REFUSED as u64);
        no_rule_fails(&fleet.prometheus);
        no_name_is_made_up(&fleet.prometheus);
    });
}

/// Waits until a query gives just that.
fn becomes(prometheus: &Prometheus, query: &str, expected: BTreeMap<Labels, f64>) {
    let last = std::cell::RefCell::default();
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        prometheus.wait_for(query, |prometheus| {
            *last.borrow_mut() = prometheus.query(query).unwrap();
            *last.borrow() == expected
        });
    }));
    assert!(waited.is_ok(), "{query}: {:#?}, not {expected:#?}", last.borrow());
}

fn no_rule_fails(prometheus: &Prometheus) {
    let groups = prometheus.api("rules").unwrap();
    for rule in groups["groups"].as_array().unwrap().iter().flat_map(|it| it["rules"].as_array()) {
        assert!(rule.iter().all(|rule| rule["health"] == "ok"), "{rule:#?}");
    }
}

/// Whatever the rules ask for by name, agents have written.
fn no_name_is_made_up(prometheus: &Prometheus) {
    let rules = ["edges.rules.yml", "alerts.rules.yml"];
    let text =
        rules.map(|file| fs::read_to_string(deploy("prometheus").join(file)).unwrap()).concat();
    let is_of_a_name =
        |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let words = text.split(|character| !is_of_a_name(character));
    let families: BTreeSet<&str> = words
        .filter(|word| word.starts_with("ngraph_") || word.starts_with("network_"))
        .filter(|word| !word.contains(':'))
        .collect();
    assert!(families.len() > 10, "{families:?}");
    for family in families {
        // Some have samples only while there are connections.
        let query = format!("present_over_time({family}[5m])");
        assert!(!prometheus.query(&query).unwrap().is_empty(), "no agent writes {family}");
    }
}

fn labels_of(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
