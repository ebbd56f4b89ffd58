//! The chart.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    agent::{self, environment, variables},
    project,
    render::{
        chart, documents, helm, kustomize, only, said, template, try_template, with_component,
    },
    schemas,
};

/// Variables that are no values: the folder is, and in a pod the others make no sense.
const NO_VALUES: [&str; 6] = [
    "NGRAPH_CONFIG",
    "NGRAPH_FORMAT",
    "NGRAPH_ONCE",
    "NGRAPH_OUTPUT",
    "NGRAPH_PROCFS",
    "NGRAPH_SOCKET",
];

#[test]
fn the_chart_and_the_base_are_the_same_but_for_helms_own_labels() {
    let modes = [("base", "privileged"), ("overlays/least", "least")];
    for (overlay, mode) in modes {
        let value = format!("security.mode={mode:?}");
        let folder = project("deploy/kubernetes").join(overlay);
        let (Some(by_helm), Some(by_kubectl)) = (template(&chart(), &[&value]), kustomize(&folder))
        else {
            return;
        };
        assert_eq!(by_helm.len(), 2);
        for mut manifest in by_helm {
            let labels = manifest["metadata"]["labels"].as_object_mut().unwrap();
            assert_eq!(labels.remove("app.kubernetes.io/managed-by"), Some("Helm".into()));
            assert!(labels.remove("helm.sh/chart").is_some());
            let kind = manifest["kind"].as_str().unwrap();
            assert_eq!(manifest, *only(&by_kubectl, kind), "{mode}");
        }
    }
}

#[test]
fn the_chart_with_pods_as_labels_is_the_base_with_the_component() {
    let labels = r#"options.labels=["pod","namespace"]"#;
    let (Some(by_helm), Some(by_kubectl)) =
        (template(&chart(), &[labels]), with_component("base", "pod-labels"))
    else {
        return;
    };
    let pods = |manifests: &[Value]| {
        let mut pods = only(manifests, "DaemonSet")["spec"]["template"]["spec"].clone();
        sort_by_name(&mut pods["volumes"]);
        let container = &mut pods["containers"][0];
        sort_by_name(&mut container["env"]);
        sort_by_name(&mut container["volumeMounts"]);
        pods
    };
    assert_eq!(pods(&by_helm), pods(&by_kubectl));
}

/// A patch puts what it adds first.
fn sort_by_name(list: &mut Value) {
    list.as_array_mut().unwrap().sort_by_key(|it| it["name"].as_str().unwrap().to_owned());
}

#[test]
fn every_option_of_the_agent_is_a_value() {
    let schema = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let options = schema["properties"]["options"]["properties"].as_object().unwrap();
    let variable = |option: &String| {
        let words = option.chars().flat_map(|letter| {
            letter.is_uppercase().then_some('_').into_iter().chain(letter.to_uppercase())
        });
        format!("NGRAPH_{}", words.collect::<String>())
    };
    let mut known: BTreeSet<String> = options.keys().map(variable).collect();
    known.extend(NO_VALUES.map(str::to_owned));
    assert_eq!(known, variables());
}

#[test]
fn kubernetes_and_the_agent_take_what_values_make() {
    let sets: [&[&str]; 4] = [
        &[],
        &[
            r#"security={"mode":"least","capabilities":[]}"#,
            r#"options={"all":false,"interval":"1m30s","exclude":["127.0.0.0/8","::1"],"keep":true,
            "maxEdges":1000000,"noResolve":true,"snapshotInterval":"auto","maxConnections":"auto"}"#,
            r#"image={"tag":"x","pullSecrets":["y"],"pullPolicy":"Always"}"#,
        ],
        &[
            r#"options={"interval":30,"capture":"tracepoint","edgeTtl":"2h","logLevel":"debug",
            "logFormat":"json","ringBytes":2097152,"include":["10.0.0.0/8"],"snapshotInterval":60,
            "labels":["port","process","pod"],"listen":":9930"}"#,
            r#"nodeExporter.folder="/var/lib/node_exporter/textfile""#,
            r#"priorityClassName="""#,
            "tolerations=[]",
            "resources={}",
        ],
        &[
            r#"fullnameOverride="tracer""#,
            r#"podLabels={"a":"b"}"#,
            r#"podAnnotations={"c":"d"}"#,
            r#"updateStrategy={"type":"OnDelete"}"#,
            r#"affinity={"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In",
            "values":["n"]}]}]}}}"#,
        ],
    ];
    for values in sets {
        let Some(manifests) = template(&chart(), values) else {
            return;
        };
        if schemas::check(&manifests).is_none() {
            return;
        }
        agent::takes(only(&manifests, "DaemonSet"));
    }
}

#[test]
fn a_value_is_the_variable_of_its_name() {
    let values = [
        r#"options={"exclude":["127.0.0.0/8","::1"],"maxEdges":1000000,"noResolve":true}"#,
        r#"nodeExporter.folder="/a/b""#,
    ];
    let Some(manifests) = template(&chart(), &values) else {
        return;
    };
    let expected = [
        ("NGRAPH_ALL", "true"),
        ("NGRAPH_EXCLUDE", "127.0.0.0/8,::1"),
        ("NGRAPH_MAX_CONNECTIONS", "100000"),
        ("NGRAPH_MAX_EDGES", "1000000"),
        ("NGRAPH_NO_RESOLVE", "true"),
        ("NGRAPH_OUTPUT", "/a/b"),
    ];
    assert_eq!(environment(only(&manifests, "DaemonSet")), expected);
}

#[test]
fn a_wrong_value_is_refused_by_its_name() {
    let wrong = [
        (r#"option={"all":true}"#, "option"),
        (r#"options.intervall="15s""#, "intervall"),
        (r#"options.interval="soon""#, "/options/interval"),
        ("options.interval=0", "/options/interval"),
        (r#"options.all="yes""#, "/options/all"),
        ("options.maxEdges=0", "/options/maxEdges"),
        (r#"options.maxConnections="many""#, "/options/maxConnections"),
        (r#"options.capture="pcap""#, "/options/capture"),
        (r#"options.exclude="127.0.0.0/8""#, "/options/exclude"),
        (r#"options.exclude=["localhost"]"#, "/options/exclude/0"),
        (r#"options.labels="port""#, "/options/labels"),
        (r#"nodeExporter.folder="textfile""#, "/nodeExporter/folder"),
        (r#"nodeExporter.folder="/textfile""#, "/nodeExporter/folder"),
        (r#"security.mode="some""#, "/security/mode"),
        (r#"security.capabilities=["CAP_BPF"]"#, "/security/capabilities/0"),
        (r#"image.digest="sha256:12""#, "/image/digest"),
        (r#"image.pullPolicy="Sometimes""#, "/image/pullPolicy"),
        ("prometheusRule.enabled=1", "/prometheusRule/enabled"),
    ];
    for (value, name) in wrong {
        let Some(output) = try_template(&chart(), &[value]) else {
            return;
        };
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && told.contains(name), "{value}: {told}");
    }
}

#[test]
fn the_rules_are_those_of_prometheus_also_in_a_package() {
    let place = TempDir::new().unwrap();
    let Some(mut helm) = helm() else {
        return;
    };
    said(helm.arg("package").arg(chart()).arg("--destination").arg(place.path()));
    let package = format!("ngraph-{}.tgz", env!("CARGO_PKG_VERSION"));
    let rule = ["prometheusRule.enabled=true"];
    let rendered = template(&chart(), &rule).unwrap();
    assert_eq!(rendered, template(&place.path().join(package), &rule).unwrap());
    let groups = only(&rendered, "PrometheusRule")["spec"]["groups"].as_array().unwrap();
    let files = ["alerts.rules.yml", "edges.rules.yml"];
    let expected: Vec<Value> = files.into_iter().flat_map(groups_of).collect();
    assert_eq!(*groups, expected);
}

fn groups_of(file: &str) -> Vec<Value> {
    let file: PathBuf = project("deploy/prometheus").join(file);
    let rules = &documents(&fs::read_to_string(file).unwrap())[0];
    rules["groups"].as_array().unwrap().clone()
}

#[test]
fn helm_finds_no_fault() {
    let Some(mut helm) = helm() else {
        return;
    };
    said(helm.args(["lint", "--strict"]).arg(chart()));
    let chart = &documents(&fs::read_to_string(chart().join("Chart.yaml")).unwrap())[0];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&version.into(), &version.into()));
}
