//! What is no agent's file, and what is broken in one.

use std::fs;

use crate::{drawn, fleet, graph, refused, text};

const EDGE: &str = "ngraph_connections_opened_total{direction=\"output\",src_ip=\"10.0.0.1\",\
                    dest_ip=\"10.0.0.2\",peer_hostname=\"\"} 1\n";

#[test]
fn a_file_that_is_not_an_agents_is_refused_with_what_it_is_not() {
    let wanted = "(wanted is an agent's ngraph.prom, or what node_exporter serves of it)";
    for (stdin, error) in [
        ("", format!("no metric of ngraph's in it {wanted}")),
        ("up 1\n", format!("no metric of ngraph's in it {wanted}")),
        (
            "<!DOCTYPE html>\n",
            format!("line 1: \"<!DOCTYPE\" is not the name of a metric {wanted}"),
        ),
        ("hello", format!("it ends in the middle of a line: it was cut {wanted}")),
        ("\0\u{1}\n", format!("line 1: a name without a value {wanted}")),
    ] {
        assert_eq!(refused(&["-"], stdin.as_bytes()), format!("ngraph: stdin: {error}\n"));
    }
    assert!(refused(&["-"], b"\xff\xfe\n").contains("line 1: not UTF-8"));
}

#[test]
fn a_broken_line_is_told_by_file_and_number() {
    for (line, error) in [
        (EDGE.replace("} 1", " 1"), "line 2: no brace behind the labels"),
        (EDGE.replace("} 1", "} x"), "line 2: value \"x\" is not a number"),
        (EDGE.replace("} 1", "} -1"), "line 2: -1 is no count"),
        (EDGE.replace("} 1", "} NaN"), "line 2: NaN is no count"),
        (EDGE.replace("10.0.0.1", "10.0.0"), "line 2: src_ip=\"10.0.0\" is no address"),
        (EDGE.replace("10.0.0.2", ""), "line 2: dest_ip=\"\" is no address"),
        (EDGE.replace("output", "up"), "line 2: direction=\"up\" is neither input nor output"),
        (EDGE.replace('\n', ""), "it ends in the middle of a line: it was cut"),
    ] {
        let said = refused(&["-"], [EDGE, &line].concat().as_bytes());
        assert_eq!(said, format!("ngraph: stdin: {error}\n"), "{line}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("b.prom");
    fs::write(&file, "ngraph_build_info 1\nx\n").unwrap();
    let said = refused(&["web1.prom", file.to_str().unwrap()], b"");
    assert_eq!(said, format!("ngraph: {}: line 2: a name without a value\n", file.display()));
}

#[test]
fn what_is_not_there_is_named() {
    let said = refused(&["gone.prom"], b"");
    assert_eq!(
        said,
        "ngraph: open gone.prom: no such file or directory (name an agent's ngraph.prom, or the \
         folder that it is in)\n"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(refused(&[path], b""), format!("ngraph: {path}: no file in it ends in .prom\n"));
}

#[test]
fn an_error_is_short_and_has_no_escapes_whatever_is_in_a_line() {
    let long = "\x1b[31m".repeat(100_000);
    for line in [format!("{long} 1\n"), format!("up {long}\n"), EDGE.replace("10.0.0.1", &long)] {
        let said = refused(&["-"], line.as_bytes());
        assert!(said.len() < 1_000 && !said.contains('\x1b'), "{said}");
    }
}

#[test]
fn stdin_is_one_of_the_files() {
    let db1 = fs::read(fleet().join("db1.prom")).unwrap();
    let output = graph(&["--format", "mermaid", "web1.prom", "-", "app1.prom"], &db1);
    assert_eq!(text(&output.stdout), drawn(&["--format", "mermaid", "."]));
}

#[test]
fn without_files_it_is_the_agents_own() {
    let fleet = fleet();
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fleet.join("web1.prom"), folder.path().join("ngraph.prom")).unwrap();
    let path = folder.path().to_str().unwrap();
    let dot = |args: &[&str]| drawn(&[args, &["--format", "dot"]].concat());
    assert_eq!(dot(&["--output", path]), dot(&["web1.prom"]));
}
