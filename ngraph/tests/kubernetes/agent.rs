//! What the agent says to the variables of a pod.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{render::said, support::agent::command};

/// The agent's variables, by its own help.
pub fn variables() -> BTreeSet<String> {
    let help = said(&mut command(&["--help"]));
    let named = help.lines().filter_map(|line| line.trim().strip_prefix("[env: "));
    named.map(|variable| variable.trim_end_matches(']').to_owned()).collect()
}

/// The environment of the pods of a DaemonSet.
pub fn environment(daemon_set: &Value) -> Vec<(&str, &str)> {
    let variables = container(daemon_set)["env"].as_array().unwrap().iter();
    variables.map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap())).collect()
}

/// The one container of the pods of a DaemonSet.
pub fn container(daemon_set: &Value) -> &Value {
    let containers = daemon_set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

/// Has the agent read such an environment: it must know each variable and take its value.
pub fn takes(daemon_set: &Value) {
    let known = variables();
    let environment = environment(daemon_set);
    for (variable, _) in &environment {
        assert!(known.contains(*variable), "{variable} isn't one of {known:?}");
    }
    // It reads all options and looks at a folder that has nothing.
    let mut healthcheck = command(&["healthcheck", "--output=/nonexistent"]);
    let output = healthcheck.envs(environment.iter().copied()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{environment:?}: {told}");
}
