//! The page's commands: those that need no cluster run, the others as far as one that has nothing.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    agent::{self, environment},
    images, project,
    render::{chart, helm, kubectl, kustomize, only, template},
};

/// What builds, and what `images` runs.
const ELSEWHERE: [&str; 3] = ["cargo xtask image", images::TO_A_NODE, images::TO_A_REGISTRY];

/// The page's text.
pub fn page() -> String {
    fs::read_to_string(project("docs/kubernetes.md")).unwrap()
}

#[test]
fn the_pages_commands_are_understood() {
    let cluster = cluster();
    let mut count = 0;
    for line in page().lines().filter_map(|line| line.trim_start().strip_prefix("$ ")) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "kubectl" => {
                let Some(command) = kubectl() else {
                    return;
                };
                by_kubectl(command, &words[1..], cluster);
            }
            "helm" => {
                let Some(command) = helm() else {
                    return;
                };
                by_helm(command, &words[1..], cluster);
            }
            _ => assert!(ELSEWHERE.iter().any(|known| line.starts_with(known)), "{line}"),
        }
        count += 1;
    }
    assert!(count > 10, "{count}");
}

/// Without a cluster's objects a command ends with what it would do, or with one not found.
fn by_kubectl(mut kubectl: Command, words: &[&str], cluster: SocketAddr) {
    let cache = TempDir::new().unwrap();
    kubectl.current_dir(project("")).args(words.iter().take_while(|word| **word != "--"));
    kubectl.arg(format!("--server=http://{cluster}"));
    kubectl.arg(format!("--cache-dir={}", cache.path().display()));
    if words.contains(&"apply") {
        kubectl.arg("--validate=false");
    }
    if ["apply", "delete", "label", "patch"].iter().any(|verb| words.contains(verb)) {
        kubectl.arg("--dry-run=client");
    }
    kubectl.args(words.iter().skip_while(|word| **word != "--"));
    let output = kubectl.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let is_not_found = told.contains("rror from server (NotFound)");
    assert!(output.status.success() || is_not_found, "{kubectl:?}: {told}");
}

/// A verb that looks for a release to change takes the same words as one that renders; the one that
/// removes it finds none.
fn by_helm(mut helm: Command, words: &[&str], cluster: SocketAddr) {
    helm.current_dir(project(""));
    match words {
        ["upgrade", words @ ..] => helm.arg("template").args(words),
        ["install", ..] => helm.args(words).arg("--dry-run=client"),
        ["uninstall", ..] => helm.args(words).arg(format!("--kube-apiserver=http://{cluster}")),
        _ => helm.args(words),
    };
    let output = helm.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let is_not_found = words[0] == "uninstall" && told.contains("ngraph: release: not found");
    assert!(output.status.success() || is_not_found, "{helm:?}: {told}");
}

#[test]
fn the_pages_kustomization_changes_the_image_and_an_option() {
    let page = page();
    let yaml = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let place = TempDir::new().unwrap();
    std::os::unix::fs::symlink(project("").canonicalize().unwrap(), place.path().join("ngraph"))
        .unwrap();
    fs::write(place.path().join("kustomization.yaml"), yaml).unwrap();
    let Some(manifests) = kustomize(place.path()) else {
        return;
    };
    let daemon_set = only(&manifests, "DaemonSet");
    let image = format!("registry.example/ngraph:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(agent::container(daemon_set)["image"], image);
    assert!(environment(daemon_set).contains(&("NGRAPH_INTERVAL", "30s")));
    assert!(environment(daemon_set).contains(&("NGRAPH_ALL", "true")));
}

#[test]
fn the_pages_table_has_the_least_capabilities() {
    let least = [r#"security.mode="least""#];
    let Some(manifests) = template(&chart(), &least) else {
        return;
    };
    let container = agent::container(only(&manifests, "DaemonSet"));
    let added = &container["securityContext"]["capabilities"]["add"];
    let page = page();
    let table = page.split("| capability |").nth(1).unwrap().split("\n\n").next().unwrap();
    let told = table
        .lines()
        .skip(2)
        .flat_map(|row| row.split('|').nth(1).unwrap().split(',').map(str::trim).map(Value::from));
    assert_eq!(*added, told.collect::<Value>());
}

/// An address where a cluster answers that knows its own kinds of objects, and has none of them.
fn cluster() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(|| answer(stream));
        }
    });
    address
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = asked.split([' ', '?']).nth(1).unwrap_or_default();
    let (status, body) = match told(path) {
        Some(told) => ("200 OK", told),
        None => ("404 Not Found", json!({ "kind": "Status", "reason": "NotFound", "code": 404 })),
    };
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// What a cluster tells of itself, of the kinds that it knows, and of helm's releases: there are none.
fn told(path: &str) -> Option<Value> {
    let resources = |group: &str, kinds: &[(&str, &str, bool)]| {
        let verbs = ["create", "delete", "get", "list", "patch"];
        let resource = |&(name, kind, is_namespaced): &(&str, &str, bool)| {
            json!({ "name": name, "singularName": name.trim_end_matches('s'), "kind": kind,
                "namespaced": is_namespaced, "verbs": verbs })
        };
        let resources: Vec<Value> = kinds.iter().map(resource).collect();
        json!({ "kind": "APIResourceList", "groupVersion": group, "resources": resources })
    };
    let version = json!({ "groupVersion": "apps/v1", "version": "v1" });
    match path {
        "/api" => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => Some(json!({ "kind": "APIGroupList", "groups": [
            { "name": "apps", "versions": [version], "preferredVersion": version }] })),
        "/api/v1" => Some(resources(
            "v1",
            &[
                ("namespaces", "Namespace", false),
                ("pods", "Pod", true),
                ("serviceaccounts", "ServiceAccount", true),
            ],
        )),
        "/apis/apps/v1" => Some(resources("apps/v1", &[("daemonsets", "DaemonSet", true)])),
        "/version" => Some(json!({ "major": "1", "minor": "33", "gitVersion": "v1.33.0" })),
        "/api/v1/namespaces/ngraph/secrets" => {
            Some(json!({ "kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [] }))
        }
        _ => None,
    }
}
