//! Prometheus' own tool checks the rules and runs their tests.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::{deploy, support::tools::tool};

const RULES: [&str; 3] = ["edges.rules.yml", "alerts.rules.yml", "scale.rules.yml"];
const TESTS: [&str; 3] = ["edges.test.yml", "alerts.test.yml", "scale.test.yml"];

/// Pages that show what promtool says of some rules.
const PAGES: [(&str, &[&str]); 2] = [
    ("prometheus.md", &["edges.rules.yml", "alerts.rules.yml"]),
    ("scale.md", &["scale.rules.yml"]),
];

#[test]
fn promtool_takes_the_rules() {
    if let Some(promtool) = tool("NGRAPH_PROMTOOL") {
        for (page, rules) in PAGES {
            let said = promtool_says(&promtool, &["check", "rules"], rules);
            let text = fs::read_to_string(deploy("../docs").join(page)).unwrap();
            assert!(text.contains(&said), "docs/{page} shows something else: {said}");
        }
    }
}

#[test]
fn the_rules_do_what_their_tests_say() {
    if let Some(promtool) = tool("NGRAPH_PROMTOOL") {
        let said = promtool_says(&promtool, &["test", "rules"], &TESTS);
        assert_eq!(said.matches("SUCCESS").count(), TESTS.len(), "{said}");
    }
}

#[test]
fn no_rule_is_without_a_test() {
    let tests: String = TESTS.map(read).concat();
    for rules in RULES.map(read) {
        for name in after(&rules, "- record: ").chain(after(&rules, "- alert: ")) {
            // What others are made of is tested with them.
            let is_part =
                ["instance_", "address:", "host:"].iter().any(|level| name.starts_with(level));
            assert!(is_part || tests.contains(name), "{name} is in no test");
        }
    }
}

#[test]
fn every_alert_waits_has_a_severity_and_tells_what_to_do() {
    let text = read("alerts.rules.yml");
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        for part in ["\n        for: ", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "no `{}`: {alert}", part.trim());
        }
    }
}

#[test]
fn what_the_page_drops_is_neither_drawn_nor_alerted_on() {
    let page = fs::read_to_string(deploy("../docs/scale.md")).unwrap();
    let dropped = after(&page, "- {source_labels: [__name__], regex: '").next().unwrap();
    let dropped = dropped.strip_suffix("', action: drop}").unwrap();
    let dashboard = fs::read_to_string(deploy("grafana/ngraph.json")).unwrap();
    let used: String = RULES.map(read).into_iter().chain([dashboard]).collect();
    assert_eq!(matching(dropped, families(&used)), "");
    let reference = fs::read_to_string(deploy("../docs/reference.md")).unwrap();
    let there = matching(dropped, families(&reference));
    assert!(there.lines().count() >= 9, "of the agent's families it drops {there}");
}

/// The names of the agent's families in a text.
fn families(text: &str) -> BTreeSet<&str> {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "_:".contains(it);
    text.split(|it| !is_part(it)).filter(|word| word.starts_with("ngraph_")).collect()
}

/// Those of `names` that a pattern matches whole, a line each.
fn matching(pattern: &str, names: BTreeSet<&str>) -> String {
    let mut grep = Command::new("grep");
    grep.args(["-xE", pattern]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut grep = grep.spawn().unwrap();
    for name in names {
        writeln!(grep.stdin.as_mut().unwrap(), "{name}").unwrap();
    }
    String::from_utf8(grep.wait_with_output().unwrap().stdout).unwrap()
}

fn promtool_says(promtool: &Path, verb: &[&str], files: &[&str]) -> String {
    let mut command = Command::new(promtool);
    let output = command.args(verb).args(files).current_dir(deploy("prometheus")).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy("prometheus").join(file)).unwrap()
}

/// The rest of each line that begins with `start`, whatever is before it.
fn after<'a>(text: &'a str, start: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim_start().strip_prefix(start))
}
