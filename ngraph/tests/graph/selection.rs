//! A part of the picture, and pictures of two times.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{drawn, fleet, graph, refused, text};

#[test]
fn focus_shows_what_is_around_a_host() {
    let around = |args: &[&str]| edges(&[&["--focus"], args].concat());
    let db1 = [
        "app1.example > db1.example",
        "backup.example > db1.example",
        "db1.example > db1.example",
        "db1.example > db2.example",
        "web1.example > db1.example",
    ];
    for name in ["db1", "DB1.example", "10.0.2.21", "fd00:2::21"] {
        assert_eq!(around(&[name]), db1, "{name}");
    }
    assert!(around(&["db2", "--depth", "2"]).contains(&"web1.example > db1.example".to_owned()));
    assert_eq!(around(&["db1", "--depth", "9"]).len(), 10, "all but the container's bridge");
}

#[test]
fn a_focus_that_is_no_host_is_an_error_with_names_near_it() {
    assert_eq!(
        refused(&["--focus", "bd1", "."], b""),
        "ngraph: --focus bd1: no host is called so (near it: db1.example)\n"
    );
    let said = refused(&["--focus", "\u{1b}[31m", "."], b"");
    assert!(
        said.starts_with("ngraph: --focus \\u{1b}[31m: no host is called so (there are "),
        "{said}"
    );
}

#[test]
fn small_edges_are_left_out_and_that_is_told() {
    let output = graph(&["--min", "40", "--format", "json", "."], b"");
    let said = text(&output.stderr);
    assert!(said.ends_with("ngraph: left out: 8 edges of fewer than 40 connections\n"), "{said}");
    assert_eq!(edges_of(&text(&output.stdout)).len(), 3);
}

#[test]
fn groups_have_their_hosts_edges() {
    let subnets = edges(&["--group-by", "subnet"]);
    assert!(subnets.contains(&"10.0.1.0/24 > 10.0.2.0/24".to_owned()), "{subnets:#?}");
    assert!(subnets.contains(&"198.51.100.0/24 > 203.0.113.0/24".to_owned()), "{subnets:#?}");
    let domains = edges(&["--group-by", "domain", "--focus", "app1"]);
    assert!(domains.contains(&"app1.example > payments.example".to_owned()), "{domains:#?}");
}

#[test]
fn a_diff_marks_what_is_new_and_what_is_gone_in_each_format() {
    let yesterday = fleet().join("../yesterday");
    let args = |format| ["--diff", yesterday.to_str().unwrap(), "--format", format, "."];
    let json: Value = serde_json::from_str(&drawn(&args("json"))).unwrap();
    let changed = |change: &str| -> BTreeSet<&str> {
        let all = ["nodes", "edges"].map(|list| json[list].as_array().unwrap());
        let of = all.into_iter().flatten().filter(|it| it["detail__change"] == change);
        of.map(|it| it["id"].as_str().unwrap()).collect()
    };
    let new = ["10.0.1.12 → 192.0.2.80", "10.0.3.9", "10.0.3.9 → 10.0.2.21", "192.0.2.80"];
    assert_eq!(changed("new"), new.into());
    assert_eq!(changed("gone"), ["10.0.1.12 → 10.0.2.30", "10.0.2.30"].into());
    for (format, new, gone) in [
        ("dot", "12, 2 failed, new", "7, gone"),
        ("mermaid", "|\"12, 2 failed, new\"|", "|\"7, gone\"|"),
        ("graphml", "<data key=\"edge_change\">new<", "<data key=\"edge_change\">gone<"),
        ("svg", ">12, 2 failed, new<", ">7, gone<"),
        ("html", "\"change\":\"new\"", "\"change\":\"gone\""),
    ] {
        let picture = drawn(&args(format));
        assert!(picture.contains(new) && picture.contains(gone), "{format}: {picture}");
    }
}

/// The edges of the fixture's picture, by name.
fn edges(args: &[&str]) -> Vec<String> {
    edges_of(&drawn(&[args, &["--format", "json", "."]].concat()))
}

fn edges_of(json: &str) -> Vec<String> {
    let graph: Value = serde_json::from_str(json).unwrap();
    let nodes = graph["nodes"].as_array().unwrap();
    let name = |id: &Value| {
        nodes.iter().find(|node| node["id"] == *id).unwrap()["title"].as_str().unwrap()
    };
    let edges = graph["edges"].as_array().unwrap().iter();
    let mut edges: Vec<String> =
        edges.map(|it| format!("{} > {}", name(&it["source"]), name(&it["target"]))).collect();
    edges.sort();
    edges
}
