//! Files of agents: a zero byte stands between two, and an `\x01` before those of an older time.

use ngraph::{
    config::Format,
    picture::{Origin, Picture, Reports, fit::Limits, group::By, join},
};

const FORMATS: [Format; 6] = Format::PICTURES;

pub fn run(bytes: &[u8]) {
    let (new, old): (Vec<&[u8]>, Vec<&[u8]>) =
        bytes.split(|&byte| byte == 0).partition(|file| file.first() != Some(&1));
    let mut fleet = join(&read(&new));
    if !old.is_empty() {
        fleet = fleet.since(join(&read(&old)));
    }
    if let Some(host) = fleet.hosts.first() {
        let center = host.id.clone();
        for by in [By::Subnet, By::Job, By::Domain] {
            check(&Picture::of(fleet.clone().grouped(by, None)));
        }
        let part = fleet.clone().around(&center, 1).at_least(2, Some(&center));
        check(&Picture::of(part.fit(Limits { nodes: 3, edges: 2 }, Some(&center))));
    }
    check(&Picture::of(fleet));
}

/// What of the files can be read.
fn read(files: &[&[u8]]) -> Reports {
    let mut reports = Reports::default();
    for (number, file) in files.iter().enumerate() {
        let file = file.strip_prefix(b"\x01").unwrap_or(file);
        if let Err(error) = reports.read(&format!("{number}.prom"), file) {
            assert!(!error.is_empty() && !error.contains(char::is_control), "{error:?}");
        }
    }
    reports
}

fn check(picture: &Picture) {
    let ids: std::collections::BTreeSet<&str> =
        picture.nodes.iter().map(|node| &*node.host.id).collect();
    assert_eq!(ids.len(), picture.nodes.len(), "an id twice");
    for format in FORMATS {
        let text = picture.render(format, &Origin::default()).expect("a format of pictures");
        match format {
            Format::Json => {
                let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(json["edges"].as_array().map(Vec::len), Some(picture.edges.len()));
            }
            Format::Graphml | Format::Svg => {
                let parsed = roxmltree::Document::parse(&text);
                assert!(parsed.is_ok(), "{parsed:?}: {text}");
            }
            Format::Dot | Format::Mermaid => {
                // A line a node and a line an edge, whatever is in their names.
                let lines = text.lines().count();
                assert!(lines >= picture.nodes.len() + picture.edges.len(), "{text}");
                for line in text.lines().filter(|line| !line.starts_with("  %%")) {
                    let quotes = line.replace("\\\\", "").replace("\\\"", "");
                    assert_eq!(quotes.matches('"').count() % 2, 0, "{line}");
                }
            }
            _ => {}
        }
    }
}
