//! `ngraph graph` of a fleet: its files, and its Prometheus, give its traffic.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::{
    prometheus::WINDOW,
    support::{agent::command, wait_for},
    world::Fleet,
};

/// From where to where how many.
pub type Traffic<'a> = &'a [(&'a str, &'a str, usize)];

/// Opened, failed, and the end that tells nothing, of each edge by its nodes' ids.
type Edges = BTreeMap<(String, String), (u64, u64, Option<String>)>;

/// Waits until the hosts' files give just that, and `refused` attempts from a to b. What a host says
/// to itself is left out: it asked its own node_exporter whether it was up.
pub fn of_files(fleet: &Fleet, traffic: Traffic<'_>, refused: u64) {
    let copies = tempfile::tempdir().unwrap();
    // No resolver names them, so hosts are known by their addresses.
    let expected = expected(traffic, refused, |name| fleet.place(name).ip.to_string());
    becomes(fleet, &between_hosts(expected), between_hosts, || {
        for host in &fleet.hosts {
            let copy = copies.path().join(host.name).with_extension("prom");
            fs::copy(host.folder.path().join("ngraph.prom"), copy).unwrap();
        }
        vec![copies.path().display().to_string()]
    });
}

/// Waits until Prometheus gives that of all the time.
pub fn of_prometheus(fleet: &Fleet, traffic: Traffic<'_>, refused: u64) {
    let (args, expected) = asked(fleet, traffic, refused);
    becomes(fleet, &between_hosts(expected), between_hosts, || args.clone());
}

/// Waits until Prometheus gives that, and nothing else, of its last seconds.
pub fn of_a_range(fleet: &Fleet, traffic: Traffic<'_>, refused: u64) {
    let (mut args, expected) = asked(fleet, traffic, refused);
    args.extend(["--range".to_owned(), WINDOW.to_owned()]);
    becomes(fleet, &expected, |edges| edges, || args.clone());
}

fn asked(fleet: &Fleet, traffic: Traffic<'_>, refused: u64) -> (Vec<String>, Edges) {
    let url = format!("http://{}", fleet.prometheus.address);
    let hub = fleet.hub.ip.to_string();
    let expected =
        expected(
            traffic,
            refused,
            |name| {
                if name == "hub" { hub.clone() } else { name.to_owned() }
            },
        );
    (vec!["--prometheus".to_owned(), url], expected)
}

fn between_hosts(mut edges: Edges) -> Edges {
    edges.retain(|(source, target), _| source != target);
    edges
}

fn expected(traffic: Traffic<'_>, refused: u64, id: impl Fn(&str) -> String) -> Edges {
    let edge = |&(from, to, count): &(&str, &str, usize)| {
        let failed = if (from, to) == ("a", "b") { refused } else { 0 };
        // c doesn't count b.
        let missing = ((from, to) == ("b", "c")).then(|| "input".to_owned());
        ((id(from), id(to)), (count as u64, failed, missing))
    };
    traffic.iter().map(edge).collect()
}

fn becomes(
    fleet: &Fleet,
    expected: &Edges,
    of: impl Fn(Edges) -> Edges,
    args: impl Fn() -> Vec<String>,
) {
    let last = std::cell::RefCell::default();
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("the picture", || {
            *last.borrow_mut() = of(drawn(fleet, &args()));
            (*last.borrow() == *expected).then_some(())
        });
    }));
    assert!(waited.is_ok(), "{:#?}, not {expected:#?}", last.borrow());
}

/// The edges of a picture, without those of the hub, which scrapes.
fn drawn(fleet: &Fleet, args: &[String]) -> Edges {
    let output = command(&["graph", "--format", "json"]).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let edges = json["edges"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let edge = |edge: &Value| {
        let ends = (text(&edge["source"]), text(&edge["target"]));
        let [opened, failed] =
            ["detail__opened", "detail__failures"].map(|name| edge[name].as_u64().unwrap());
        (ends, (opened, failed, edge["detail__missing"].as_str().map(str::to_owned)))
    };
    let mut edges: Edges = edges.map(edge).collect();
    edges.retain(|(source, _), _| *source != fleet.hub.ip.to_string());
    edges
}
