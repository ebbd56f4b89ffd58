//! Kubernetes' own schemas, of the last three minor versions.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use boon::{Compiler, Schemas, UrlLoader};
use serde_json::Value;

use crate::support::tools::tool;

const VERSIONS: usize = 3;

/// The folders of the newest versions' schemas, which take no field that they don't know; none,
/// and the test says that it's skipped, without schemas.
fn newest() -> Option<Vec<PathBuf>> {
    let place = tool("NGRAPH_KUBERNETES_SCHEMAS")?;
    let folders = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    let mut numbered: Vec<(u32, PathBuf)> =
        folders.filter_map(|folder| Some((minor(&folder)?, folder))).collect();
    numbered.sort();
    assert!(numbered.len() >= VERSIONS, "{numbered:?}");
    Some(numbered.split_off(numbered.len() - VERSIONS).into_iter().map(|(_, it)| it).collect())
}

/// 37 of `v1.37.0-local-strict`.
fn minor(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?.strip_prefix("v1.")?;
    name.strip_suffix(".0-local-strict")?.parse().ok()
}

/// Holds manifests against the schemas; none where there are none.
pub fn check(manifests: &[Value]) -> Option<()> {
    for folder in newest()? {
        let mut version = Version::at(&folder);
        for manifest in manifests {
            if let Err(err) = version.takes(manifest) {
                panic!("{}: {err}\n{manifest:#}", folder.display());
            }
        }
    }
    Some(())
}

/// A version's schemas.
struct Version {
    compiler: Compiler,
    compiled: Schemas,
}

impl Version {
    fn at(folder: &Path) -> Self {
        let mut compiler = Compiler::new();
        compiler.use_loader(Box::new(Folder(folder.to_owned())));
        Self { compiler, compiled: Schemas::new() }
    }

    fn takes(&mut self, manifest: &Value) -> Result<(), String> {
        let kind = manifest["kind"].as_str().ok_or("no kind")?.to_lowercase();
        // apps/v1 is apps-v1, as is apps.k8s.io/v1.
        let version = manifest["apiVersion"].as_str().ok_or("no apiVersion")?;
        let version = match version.split_once('/') {
            Some((group, version)) => format!("{}-{version}", group.split('.').next().unwrap()),
            None => version.to_owned(),
        };
        let place = format!("{BASE}{kind}-{version}.json");
        let schema = self.compiler.compile(&place, &mut self.compiled);
        let schema = schema.map_err(|err| format!("{err:#}"))?;
        self.compiled.validate(manifest, schema).map_err(|err| format!("{err:#}"))
    }
}

/// Where the schemas say that they are.
const BASE: &str = "https://kubernetes.io/api/";

/// The folder of a version's schemas, which is where they really are.
struct Folder(PathBuf);

impl UrlLoader for Folder {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        let name = url.strip_prefix(BASE).ok_or("not one of Kubernetes'")?;
        Ok(serde_json::from_slice(&fs::read(self.0.join(name))?)?)
    }
}

#[test]
fn what_kubernetes_does_not_know_is_refused() {
    let plain = serde_json::json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": "x" },
    });
    if check(std::slice::from_ref(&plain)).is_none() {
        return;
    }
    for folder in newest().unwrap() {
        let mut version = Version::at(&folder);
        for (field, value) in [("automount", true.into()), ("metadata", "x".into())] {
            let mut wrong = plain.clone();
            wrong[field] = value;
            assert!(version.takes(&wrong).is_err(), "{field}: {}", folder.display());
        }
    }
}
