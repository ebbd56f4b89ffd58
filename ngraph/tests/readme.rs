//! What the README shows is what the agent writes, and doctor's lines are explained.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{collections::BTreeSet, fs, path::Path};

use support::{agent::Agent, agent::command, isolated, netns, traffic};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap()
}

/// The README's lines that begin with one of `starts`.
fn lines<'a>(readme: &'a str, starts: &[&str]) -> Vec<&'a str> {
    let found: Vec<&str> =
        readme.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).collect();
    assert!(!found.is_empty(), "the README shows nothing like {starts:?}");
    found
}

#[test]
fn the_file_of_the_readme_is_written_so() {
    if support::is_root() {
        isolated(the_file);
    } else {
        support::skip("needs root");
    }
}

fn the_file() {
    netns::enter_new();
    let folder = tempfile::tempdir().unwrap();
    let mut ngraph = command(&["--interval=1"]);
    ngraph.arg("--output").arg(folder.path());
    let agent = Agent::run(ngraph, folder.path());
    agent.wait_for("the first file", |_| true);
    traffic::short_connections("127.0.0.1:0", None, 2);
    traffic::refused_connects("127.0.0.1", 1);
    let readme = readme();
    let mut missing: BTreeSet<&str> =
        lines(&readme, &["network_connections_", "ngraph_conn"]).into_iter().collect();
    // Short ones are in one file alone, so each line may come in a file of its own.
    agent.wait_for("each line of the README", |_| {
        let text = fs::read_to_string(agent.file()).unwrap_or_default();
        missing.retain(|line| !text.lines().any(|written| written == *line));
        missing.is_empty()
    });
}

#[test]
fn the_readme_shows_doctors_lines() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(&["doctor", "--output"]).arg(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let readme = readme();
    let about = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let real: BTreeSet<String> = text.lines().map(about).collect();
    for line in lines(&readme, &["ok      ", "missing "]) {
        assert!(real.contains(&about(line)), "`{line}` isn't of doctor's:\n{text}");
    }
}

#[test]
fn each_of_doctors_lines_is_explained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubleshooting.md");
    let page = fs::read_to_string(path).unwrap();
    let all = ["doctor", "--self-test", "--labels=pod,service", "--listen=127.0.0.1:0"];
    let output = command(&all).args(["--output", "/nowhere"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines() {
        let name = line[8..].split("  ").next().unwrap();
        let name = format!("`{name}`");
        let row = page.lines().find(|row| {
            let first = row.strip_prefix("| ").and_then(|row| row.split('|').next());
            first.is_some_and(|first| first.contains(&name))
        });
        assert!(row.is_some(), "{name} has no row: {line}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md"), root.join("ARCHITECTURE.md")];
    pages.extend(fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            if file.is_empty() || file.contains(':') {
                continue;
            }
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{}: ({link}) leads nowhere", page.display());
        }
    }
}
