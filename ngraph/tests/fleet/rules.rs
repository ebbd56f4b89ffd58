//! Prometheus' own tool checks the rules and runs their tests.

use std::{fs, path::Path, process::Command};

use crate::{deploy, support::tools::tool};

const RULES: [&str; 2] = ["edges.rules.yml", "alerts.rules.yml"];
const TESTS: [&str; 2] = ["edges.test.yml", "alerts.test.yml"];

#[test]
fn promtool_takes_the_rules() {
    if let Some(promtool) = tool("NGRAPH_PROMTOOL") {
        let said = promtool_says(&promtool, &["check", "rules"], &RULES);
        let page = fs::read_to_string(deploy("../docs/prometheus.md")).unwrap();
        assert!(page.contains(&said), "docs/prometheus.md shows something else: {said}");
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
            let is_part = name.starts_with("instance_") || name.starts_with("address:");
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
