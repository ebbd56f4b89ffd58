//! The base and its overlays.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    agent::{self, container},
    project,
    render::{documents, kubectl, kustomize, only, said},
    schemas,
};

fn deployed(overlay: &str) -> Option<Vec<Value>> {
    kustomize(&project("deploy/kubernetes").join(overlay))
}

#[test]
fn kubernetes_takes_the_base_and_the_least_and_the_agent_their_variables() {
    for overlay in ["base", "overlays/least"] {
        let Some(manifests) = deployed(overlay) else {
            return;
        };
        assert_eq!(manifests.len(), 3);
        if schemas::check(&manifests).is_none() {
            return;
        }
        agent::takes(only(&manifests, "DaemonSet"));
    }
}

#[test]
fn the_least_differs_by_what_its_container_may_do_alone() {
    let (Some(mut base), Some(mut least)) = (deployed("base"), deployed("overlays/least")) else {
        return;
    };
    let may = |manifests: &mut [Value]| {
        let daemon_set = manifests.iter_mut().find(|it| it["kind"] == "DaemonSet").unwrap();
        daemon_set["spec"]["template"]["spec"]["containers"][0]["securityContext"].take()
    };
    let (all, few) = (may(&mut base), may(&mut least));
    assert_eq!(base, least);
    assert_eq!((&all["privileged"], &few["privileged"]), (&json!(true), &json!(false)));
    assert_eq!(few["capabilities"]["drop"], json!(["ALL"]));
    // What the README's table says that it needs.
    let readme = fs::read_to_string(project("README.md")).unwrap();
    for capability in few["capabilities"]["add"].as_array().unwrap() {
        let name = format!("CAP_{}", capability.as_str().unwrap());
        assert!(name == "CAP_SYS_RESOURCE" || readme.contains(&name), "{name}");
    }
}

#[test]
fn the_manifests_are_of_this_version() {
    let Some(manifests) = deployed("base") else {
        return;
    };
    let version = env!("CARGO_PKG_VERSION");
    let daemon_set = only(&manifests, "DaemonSet");
    assert_eq!(container(daemon_set)["image"], format!("localhost/ngraph:{version}"));
    for manifest in &manifests {
        assert_eq!(manifest["metadata"]["labels"]["app.kubernetes.io/version"], version);
    }
}

/// A node-exporter as its project's own manifests have it, as far as it matters.
const NODE_EXPORTER: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: node-exporter
  labels: {app.kubernetes.io/name: node-exporter}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: node-exporter}}
  template:
    metadata: {labels: {app.kubernetes.io/name: node-exporter}}
    spec:
      containers:
        - name: node-exporter
          image: quay.io/prometheus/node-exporter:v1.9.1
          args: [--path.rootfs=/host/root]
          volumeMounts: [{name: root, mountPath: /host/root, readOnly: true}]
      volumes: [{name: root, hostPath: {path: /}}]
";

#[test]
fn the_component_has_a_node_exporter_read_the_agents_folder() {
    let Some(base) = deployed("base") else {
        return;
    };
    let place = TempDir::new().unwrap();
    let component = project("deploy/kubernetes/overlays/node-exporter");
    fs::write(place.path().join("node-exporter.yaml"), NODE_EXPORTER).unwrap();
    fs::create_dir(place.path().join("component")).unwrap();
    for file in ["kustomization.yaml", "mount.yaml", "argument.yaml"] {
        // Not a link: kubectl follows none out of the folder.
        fs::copy(component.join(file), place.path().join("component").join(file)).unwrap();
    }
    let kustomization = "resources: [node-exporter.yaml]\ncomponents: [component]\n";
    fs::write(place.path().join("kustomization.yaml"), kustomization).unwrap();
    let wired = kustomize(place.path()).unwrap();
    if schemas::check(&wired).is_none() {
        return;
    }
    reads_the_folder(only(&wired, "DaemonSet"), only(&base, "DaemonSet"));
}

/// The two commands of a running cluster do the same as the component.
#[test]
fn the_patches_have_a_running_node_exporter_read_the_agents_folder() {
    let Some(base) = deployed("base") else {
        return;
    };
    let place = TempDir::new().unwrap();
    let file = place.path().join("node-exporter.yaml");
    fs::write(&file, NODE_EXPORTER).unwrap();
    for (kind, patch) in [("strategic", "mount.yaml"), ("json", "argument.yaml")] {
        let patch = project("deploy/kubernetes/overlays/node-exporter").join(patch);
        let mut kubectl = kubectl().unwrap();
        kubectl.args(["patch", "--local", "--output=yaml", "--type", kind, "--patch-file"]);
        let patched = said(kubectl.arg(patch).arg("--filename").arg(&file));
        fs::write(&file, patched).unwrap();
    }
    let patched = documents(&fs::read_to_string(&file).unwrap());
    reads_the_folder(only(&patched, "DaemonSet"), only(&base, "DaemonSet"));
}

fn reads_the_folder(node_exporter: &Value, ngraph: &Value) {
    let wrote = agent::environment(ngraph).into_iter().find(|it| it.0 == "NGRAPH_OUTPUT").unwrap();
    let volume = |daemon_set: &Value, name: &str| {
        let volumes = daemon_set["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == name).unwrap()["hostPath"].clone()
    };
    assert_eq!(volume(node_exporter, "ngraph"), volume(ngraph, "textfile"));
    let container = container(node_exporter);
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["name"] == "ngraph").unwrap();
    assert_eq!(*mount, json!({ "name": "ngraph", "mountPath": wrote.1, "readOnly": true }));
    let argument = format!("--collector.textfile.directory={}", wrote.1);
    assert_eq!(container["args"], json!(["--path.rootfs=/host/root", argument]));
    assert_eq!(mounts.len(), 2, "what it had stays");
}

#[test]
fn the_values_for_its_chart_say_the_same() {
    let file = project("deploy/kubernetes/overlays/node-exporter/values.yaml");
    let values = &documents(&fs::read_to_string(file).unwrap())[0];
    let Some(base) = deployed("base") else {
        return;
    };
    let pods = &only(&base, "DaemonSet")["spec"]["template"]["spec"];
    let folder = &pods["volumes"][0]["hostPath"]["path"];
    let argument = format!("--collector.textfile.directory={}", folder.as_str().unwrap());
    assert_eq!(values["extraArgs"], json!([argument]));
    let mount = &values["extraHostVolumeMounts"][0];
    assert_eq!((&mount["hostPath"], &mount["mountPath"]), (folder, folder));
}
