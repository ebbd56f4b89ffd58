//! `cargo xtask rpm`: the agent as a package of RPM, installed and removed once.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{cargo, command, crate_tool, dist, install, package};

/// The newest that its list of files was tried with.
const VERSION: &str = "0.21.1";

/// Makes `target/dist/ngraph.rpm` of what `dist` makes, and tests it.
pub(crate) fn rpm() -> Result<()> {
    let sudo = package::sudo()?;
    install::ensure("rpm", &["rpm"], "its test needs it: install RPM's own tools")?;
    let tool = crate_tool::bring("cargo-generate-rpm", VERSION)?;
    dist::dist(None)?;
    let file = cargo::root().join("target/dist/ngraph.rpm");
    let metadata = command::text(cargo::cargo().args(["metadata", "--no-deps"]))?;
    let metadata = serde_json::from_str(&metadata).context("read cargo's metadata")?;
    let mut make = Command::new(tool);
    make.current_dir(cargo::root()).args(["--package", "ngraph", "--set-metadata"]);
    command::run(make.arg(assets(&metadata)?).arg("--output").arg(&file))?;
    package::test("rpm", &file, &sudo)
}

/// All files of the package as a line of TOML: Debian's list and RPM's own.
fn assets(metadata: &Value) -> Result<String> {
    let packages = metadata["packages"].as_array();
    let ngraph = packages.into_iter().flatten().find(|package| package["name"] == "ngraph");
    let metadata = &ngraph.context("find ngraph in cargo's metadata")?["metadata"];
    let list = |name: &str| {
        let list = metadata[name]["assets"].as_array();
        list.with_context(|| format!("ngraph/Cargo.toml has no package.metadata.{name}.assets"))
    };
    let mut files = Vec::new();
    for file in list("deb")? {
        let [source, dest, mode] = [0, 1, 2].map(|at| file[at].as_str().unwrap_or_default());
        // One tool takes paths from the package's folder, the other from the project's.
        let source = source.strip_prefix("../").unwrap_or(source).to_owned();
        files.push((source, format!("/{}", dest.replace(DEBIAN_ZSH, RPM_ZSH)), mode));
    }
    for file in list("generate-rpm")? {
        let [source, dest, mode] =
            ["source", "dest", "mode"].map(|name| file[name].as_str().unwrap_or_default());
        files.push((source.to_owned(), dest.to_owned(), mode));
    }
    let files = files.iter().map(|(source, dest, mode)| {
        // What --nodocs leaves out.
        let is_doc = dest.contains("/share/doc/") || dest.contains("/share/man/");
        format!(r#"{{ source = "{source}", dest = "{dest}", mode = "{mode}", doc = {is_doc} }}"#)
    });
    Ok(format!("assets = [{}]", files.collect::<Vec<_>>().join(", ")))
}

/// Where zsh looks for what packages bring.
const DEBIAN_ZSH: &str = "zsh/vendor-completions";
const RPM_ZSH: &str = "zsh/site-functions";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_lists_are_packed_each_path_as_its_tool_has_it() {
        let lists = json!({
            "deb": { "assets": [
                ["../target/dist/_ngraph", "usr/share/zsh/vendor-completions/", "644"],
                ["../README.md", "usr/share/doc/ngraph/more/", "644"],
            ]},
            "generate-rpm": { "assets": [{ "source": "a", "dest": "/bin/ngraph", "mode": "755" }] },
        });
        let metadata = json!({ "packages": [{ "name": "ngraph", "metadata": lists }] });
        let line = assets(&metadata).unwrap();
        let packed: Vec<&str> = line.trim_end_matches(" }]").split(" }, ").collect();
        assert_eq!(
            packed,
            [
                r#"assets = [{ source = "target/dist/_ngraph", dest = "/usr/share/zsh/site-functions/", mode = "644", doc = false"#,
                r#"{ source = "README.md", dest = "/usr/share/doc/ngraph/more/", mode = "644", doc = true"#,
                r#"{ source = "a", dest = "/bin/ngraph", mode = "755", doc = false"#,
            ]
        );
        assert!(assets(&json!({})).is_err());
    }
}
