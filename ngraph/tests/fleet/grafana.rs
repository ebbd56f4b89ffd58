//! The dashboard by Grafana's own model of one, the Foundation SDK.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{dashboard::dashboard, support::tools::tool};

/// What the model doesn't know, though Grafana itself writes it and shows it: a variable's query in
/// words. <https://github.com/grafana/grafana/blob/v11.6.0/packages/grafana-data/src/types/templateVars.ts>
const UNKNOWN: &str = ".templating.list[1].definition";

#[test]
fn the_dashboard_has_nothing_that_grafanas_own_model_does_not_know() {
    let Some(sdk) = tool("NGRAPH_GRAFANA_SDK") else {
        return;
    };
    let ours = dashboard();
    assert_eq!(left_out(&ours, &by_grafana(&sdk, &ours)), [UNKNOWN]);

    let mut wrong = ours;
    wrong["panels"][0]["options"]["grafMode"] = "none".into();
    wrong["panels"][1]["fieldConfig"]["defaults"]["units"] = "short".into();
    let expected =
        [".panels[0].options.grafMode", ".panels[1].fieldConfig.defaults.units", UNKNOWN];
    assert_eq!(left_out(&wrong, &by_grafana(&sdk, &wrong)), expected);
}

/// What Grafana's model makes of a dashboard.
fn by_grafana(sdk: &PathBuf, dashboard: &Value) -> Value {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/grafana.py");
    let mut python = Command::new("python3");
    python.arg(program).env("PYTHONPATH", sdk).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(dashboard.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{python:?}: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `ours` has and `theirs` hasn't, or has otherwise; what a model adds are its defaults.
fn left_out(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(ours, theirs, "", &mut found);
    found.sort();
    found
}

fn compare(ours: &Value, theirs: &Value, place: &str, found: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(_)) => {
            for (name, value) in ours {
                compare(value, &theirs[name], &format!("{place}.{name}"), found);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(ours, theirs, &format!("{place}[{index}]"), found);
            }
        }
        _ if ours == theirs => {}
        _ => found.push(place.to_owned()),
    }
}
