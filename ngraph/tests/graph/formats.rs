//! Each format of the same picture: kept as a file, and read by what it is made for.

use std::{collections::BTreeSet, env, process::Command};

use serde_json::Value;

use crate::{drawn, golden::assert_golden, graph, support::tools::tool, text};

/// Labels and names as nobody should write them.
const HOSTILE: [&str; 8] = [
    "</script><svg onload=x>",
    "\"]; x -> y; //",
    "a\\\"b\\\\",
    "\x1b[31mred\u{9b}",
    "\u{202e}moc.elpmaxe\u{2066}",
    "%%{init: {}}%% end #34; `x`",
    "]]>&amp;<!--\u{fffe}\0\r",
    "ünïcödé 日本 🦀",
];

#[test]
fn each_format_is_the_golden_text() {
    for (format, golden) in [
        ("dot", "graph.dot"),
        ("mermaid", "graph.mmd"),
        ("json", "graph.json"),
        ("graphml", "graph.graphml"),
        ("svg", "graph.svg"),
    ] {
        let args = ["--format", format, "app1.prom", "db1.prom", "web1.prom"];
        let picture = drawn(&args);
        assert_golden(golden, &picture);
        let other_order = ["--format", format, "web1.prom", "db1.prom", "app1.prom", "db1.prom"];
        assert_eq!(picture, drawn(&other_order), "{format}: the order of files shows");
        assert_eq!(picture, drawn(&["--format", format, "."]), "{format}: the folder is another");
    }
    // What is around it is the page's own business.
    assert_eq!(drawn(&["."]), drawn(&["--format", "html", "app1.prom", "db1.prom", "web1.prom"]));
}

#[test]
fn edges_of_the_json_are_between_its_nodes() {
    for json in [drawn(&["--format", "json", "."]), hostile("json")] {
        let graph: Value = serde_json::from_str(&json).unwrap();
        let ids = |list: &str| -> Vec<&str> {
            let rows = graph[list].as_array().unwrap();
            rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
        };
        let nodes: BTreeSet<&str> = ids("nodes").into_iter().collect();
        assert_eq!(nodes.len(), ids("nodes").len(), "an id twice");
        assert_eq!(ids("edges").iter().collect::<BTreeSet<_>>().len(), ids("edges").len());
        for edge in graph["edges"].as_array().unwrap() {
            for end in ["source", "target"] {
                assert!(nodes.contains(edge[end].as_str().unwrap()), "{edge:#}");
            }
        }
    }
}

#[test]
fn graphml_is_xml_with_the_nodes_and_edges_of_the_json() {
    for hostile_or_not in [drawn, hostile_args] {
        let xml = hostile_or_not(&["--format", "graphml", "."]);
        let json: Value =
            serde_json::from_str(&hostile_or_not(&["--format", "json", "."])).unwrap();
        let parsed = roxmltree::Document::parse(&xml).unwrap_or_else(|err| panic!("{err}: {xml}"));
        let all = |tag: &str, attribute: &str| -> Vec<&str> {
            let elements = parsed
                .descendants()
                .filter(|it| it.has_tag_name(("http://graphml.graphdrawing.org/xmlns", tag)));
            elements.map(|it| it.attribute(attribute).unwrap()).collect()
        };
        let of_json = |list: &str, key: &str| -> Vec<&str> {
            json[list].as_array().unwrap().iter().map(|it| it[key].as_str().unwrap()).collect()
        };
        assert_eq!(all("node", "id"), of_json("nodes", "id"));
        assert_eq!(all("edge", "source"), of_json("edges", "source"));
        assert_eq!(all("edge", "target"), of_json("edges", "target"));
        let keys: BTreeSet<&str> = all("key", "id").into_iter().collect();
        assert!(all("data", "key").iter().all(|key| keys.contains(key)), "{keys:?}");
    }
}

#[test]
fn svg_is_xml_with_a_box_for_each_node_and_a_line_for_each_edge() {
    for hostile_or_not in [drawn, hostile_args] {
        let svg = hostile_or_not(&["--format", "svg", "."]);
        let json: Value =
            serde_json::from_str(&hostile_or_not(&["--format", "json", "."])).unwrap();
        let parsed = roxmltree::Document::parse(&svg).unwrap_or_else(|err| panic!("{err}: {svg}"));
        let count = |list: &str| json[list].as_array().unwrap().len();
        let boxes = parsed.descendants().filter(|it| it.has_tag_name("rect")).count();
        let lines = parsed
            .descendants()
            .filter(|it| it.has_tag_name("path") && it.attribute("fill") == Some("none"));
        // One more is what all is drawn on.
        assert_eq!(boxes, count("nodes") + 1);
        assert_eq!(lines.count(), count("edges"));
    }
}

#[test]
fn dot_is_graphviz_own_language() {
    let Some(gc) = tool("NGRAPH_GRAPHVIZ_GC") else { return };
    for hostile_or_not in [drawn, hostile_args] {
        let json: Value =
            serde_json::from_str(&hostile_or_not(&["--format", "json", "."])).unwrap();
        let count = |list: &str| json[list].as_array().unwrap().len();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), hostile_or_not(&["--format", "dot", "."])).unwrap();
        let mut count_both = Command::new(&gc);
        if let Some(libraries) = env::var_os("NGRAPH_GRAPHVIZ_LIBRARIES") {
            count_both.env("LD_LIBRARY_PATH", libraries);
        }
        let output = count_both.args(["-n", "-e"]).arg(file.path()).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let counted: Vec<usize> =
            text(&output.stdout).split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(counted, [count("nodes"), count("edges")], "{output:?}");
    }
}

#[test]
fn hostile_names_stay_within_their_quotes() {
    for format in ["dot", "mermaid", "json", "graphml", "svg"] {
        let picture = hostile(format);
        let is_seen = |character: &char| *character == '\n' || !character.is_control();
        assert!(picture.chars().all(|it| is_seen(&it)), "{format}: {picture}");
        for unseen in ['\u{202e}', '\u{2066}', '\u{fffe}'] {
            assert!(!picture.contains(unseen), "{format}: {picture}");
        }
        assert!(picture.contains("ünïcödé"), "{format}: {picture}");
    }
    let mermaid = hostile("mermaid");
    for line in mermaid.lines().filter(|line| line.contains('"')) {
        assert_eq!(line.matches('"').count(), 2, "{line}");
        assert!(!line.contains(['{', '`', ';']) || line.contains('#'), "{line}");
    }
}

fn hostile(format: &str) -> String {
    hostile_args(&["--format", format])
}

/// The picture of a file whose every name is hostile, instead of the files named.
fn hostile_args(args: &[&str]) -> String {
    let mut file = String::new();
    for (number, name) in HOSTILE.iter().map(|it| it.repeat(20)).enumerate() {
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let (name, job) = (escaped(&name), escaped(HOSTILE[number]));
        file += &format!(
            "ngraph_connections_opened_total{{direction=\"output\",src_ip=\"10.0.0.{number}\",\
             dest_ip=\"192.0.2.{number}\",peer_hostname=\"{name}\",instance=\"{job}\",\
             job=\"{job}\"}} 1\n"
        );
    }
    let args: Vec<&str> = args.iter().copied().filter(|&arg| arg != ".").chain(["-"]).collect();
    let output = graph(&args, file.as_bytes());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}
