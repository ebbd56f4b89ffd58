//! More than a picture can show.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{graph, text};

/// Far more than is drawn; `cargo xtask bench` is the place for more.
const EDGES: usize = 6_000;

#[test]
fn what_is_too_large_to_be_drawn_is_grouped_and_that_is_told() {
    let file = large();
    for format in ["svg", "html", "mermaid"] {
        let output = graph(&["-", "--format", format], file.as_bytes());
        let said = text(&output.stderr);
        assert!(output.status.success(), "{format}: {said}");
        assert!(said.contains("that can be drawn, so grouped by networks"), "{format}: {said}");
        // Each reader sees it, too.
        assert!(text(&output.stdout).contains("so grouped by networks"), "{format}");
    }
    let output = graph(&["-", "--format", "json"], file.as_bytes());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["edges"].as_array().unwrap().len(), EDGES, "{}", text(&output.stderr));
}

/// One host that accepts from many.
fn large() -> String {
    let mut file = String::new();
    for i in 0..EDGES {
        let (high, low) = (i / 250, i % 250);
        writeln!(
            file,
            "ngraph_connections_opened_total{{direction=\"input\",src_ip=\"198.18.{high}.{low}\",\
             dest_ip=\"10.0.0.1\",peer_hostname=\"\"}} {}",
            i + 1
        )
        .unwrap();
    }
    file
}
