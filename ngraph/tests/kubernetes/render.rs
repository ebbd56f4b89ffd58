//! Manifests as kubectl and helm render them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Deserialize as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::{project, support::tools::tool};

/// What a command says, which has to succeed.
pub fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The documents of a YAML text.
pub fn documents(yaml: &str) -> Vec<Value> {
    serde_norway::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap_or_else(|err| panic!("{err}: {yaml}")))
        .filter(|document| !document.is_null())
        .collect()
}

/// The only document of a kind.
pub fn only<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let document = found.next().unwrap_or_else(|| panic!("no {kind} in {documents:#?}"));
    assert!(found.next().is_none(), "more than one {kind}");
    document
}

/// What a kustomization makes; none, and the test says that it's skipped, without kubectl.
pub fn kustomize(folder: &Path) -> Option<Vec<Value>> {
    let mut kubectl = kubectl()?;
    Some(documents(&said(kubectl.arg("kustomize").arg(folder))))
}

/// The same of a folder and a component, both below ours.
pub fn with_component(folder: &str, component: &str) -> Option<Vec<Value>> {
    let place = TempDir::new().unwrap();
    symlink(project("deploy/kubernetes").canonicalize().unwrap(), place.path().join("ours"))
        .unwrap();
    let kustomization =
        format!("resources: [ours/{folder}]\ncomponents: [ours/overlays/{component}]\n");
    fs::write(place.path().join("kustomization.yaml"), kustomization).unwrap();
    kustomize(place.path())
}

/// kubectl, with no cluster to ask.
pub fn kubectl() -> Option<Command> {
    let mut kubectl = Command::new(tool("NGRAPH_KUBECTL")?);
    kubectl.env("KUBECONFIG", "/dev/null");
    Some(kubectl)
}

/// helm, with nothing of this user's.
pub fn helm() -> Option<Command> {
    let mut helm = Command::new(tool("NGRAPH_HELM")?);
    helm.env("KUBECONFIG", "/dev/null");
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        helm.env(variable, "/nonexistent");
    }
    Some(helm)
}

/// What the chart, or a package of it, makes of values.
pub fn template(chart: &Path, values: &[&str]) -> Option<Vec<Value>> {
    let output = try_template(chart, values)?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{values:?}: {told}");
    Some(documents(&String::from_utf8(output.stdout).unwrap()))
}

/// The same, which may fail.
pub fn try_template(chart: &Path, values: &[&str]) -> Option<Output> {
    let mut helm = helm()?;
    helm.args(["template", "ngraph"]).arg(chart).arg("--namespace=ngraph");
    helm.args(values.iter().map(|value| format!("--set-json={value}")));
    Some(helm.output().unwrap())
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    project("deploy/helm/ngraph")
}
