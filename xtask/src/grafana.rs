//! Grafana's own model of its dashboards, for a test of ours.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    cache::Cache,
    registries::{self, Package},
};

/// The Foundation SDK, which is generated from Grafana's schemas and depends on nothing; what is
/// before `!` tells its own age, what is behind it Grafana's version.
const SDK: Package = Package {
    name: "grafana-foundation-sdk",
    version: "1769699379!11.6.0",
    sha256: "92d7a8144eba0fa802e728fb70e63d74b056fb1195ff116d812ad7a4ccfa5eca",
};

/// Brings it; gives back the folder that Python has to look in.
pub(crate) fn sdk(cache: &Cache) -> Result<PathBuf> {
    let key = format!("grafana/sdk-{}", SDK.version.replace('!', "-"));
    cache.folder(&key, |folder| registries::python(&SDK, folder))
}
