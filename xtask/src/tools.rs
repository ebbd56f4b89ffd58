//! Programs of others that tests run, brought where the user has not set where they are.

use std::{env, path::PathBuf};

use anyhow::{Context as _, Result};

use crate::{apt::Apt, cache::Cache, command, containers, grafana, install, kubernetes, libraries};

/// Brings the tools that the user has not set, and gives back where they are.
pub(crate) fn all() -> Result<Vec<(&'static str, PathBuf)>> {
    let unset = TOOLS.iter().filter(|tool| env::var_os(tool.variable).is_none());
    bring(&unset.collect::<Vec<_>>())
}

/// The program that `variable` names or would name in a test, brought if need be.
pub(crate) fn program(variable: &'static str) -> Result<PathBuf> {
    if let Some(set) = env::var_os(variable) {
        return Ok(set.into());
    }
    let tool = TOOLS.iter().find(|tool| tool.variable == variable);
    let tool = tool.with_context(|| format!("{variable} names no tool of the tests"))?;
    let brought = bring(&[tool])?;
    brought.into_iter().next().map(|(_, path)| path).context("bring a tool")
}

/// A program that reads the agent's files, checks what is made for it or runs it, or what such a
/// program needs.
struct Tool {
    /// Tells tests where it is.
    variable: &'static str,
    bring: fn(&Sources) -> Result<PathBuf>,
}

/// Where tools come from.
struct Sources<'a> {
    cache: &'a Cache,
    apt: &'a Apt<'a>,
}

const TOOLS: [Tool; 12] = [
    Tool {
        variable: "NGRAPH_PROMETHEUS",
        bring: |from| from.debian("prometheus", "usr/bin/prometheus"),
    },
    Tool {
        variable: "NGRAPH_PROMTOOL",
        bring: |from| from.debian("prometheus", "usr/bin/promtool"),
    },
    Tool {
        variable: "NGRAPH_NODE_EXPORTER",
        bring: |from| from.debian("prometheus-node-exporter", "usr/bin/prometheus-node-exporter"),
    },
    // Counts what `dot` would draw, by the parser that `dot` has, and needs two small libraries
    // where `dot` itself needs a desktop's.
    Tool { variable: "NGRAPH_GRAPHVIZ_GC", bring: |from| from.debian("graphviz", "usr/bin/gc") },
    Tool {
        variable: "NGRAPH_GRAPHVIZ_LIBRARIES",
        bring: |from| from.libraries("graphviz", &["libcgraph", "libcdt"]),
    },
    Tool { variable: "NGRAPH_CHROMIUM", bring: |_| browser() },
    Tool { variable: "NGRAPH_JQ", bring: |_| jq() },
    Tool { variable: "NGRAPH_KUBECTL", bring: |from| kubernetes::kubectl(from.cache) },
    Tool { variable: "NGRAPH_HELM", bring: |from| kubernetes::helm(from.cache) },
    Tool { variable: "NGRAPH_KUBERNETES_SCHEMAS", bring: |from| kubernetes::schemas(from.cache) },
    // A folder that Python imports from.
    Tool { variable: "NGRAPH_GRAFANA_SDK", bring: |from| grafana::sdk(from.cache) },
    // A folder like a system's root: / for one where all of it is installed.
    Tool { variable: "NGRAPH_CONTAINERS", bring: |from| containers::bring(from.cache, from.apt) },
];

fn bring(tools: &[&Tool]) -> Result<Vec<(&'static str, PathBuf)>> {
    if tools.is_empty() {
        return Ok(Vec::new());
    }
    bring_all(tools).with_context(|| {
        let variables: Vec<&str> = tools.iter().map(|tool| tool.variable).collect();
        format!("bring the tests' tools (or set {} to where they are)", variables.join(" and "))
    })
}

fn bring_all(tools: &[&Tool]) -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = Cache::open()?;
    let sources = Sources { cache: &cache, apt: &Apt::open(&cache)? };
    tools.iter().map(|tool| Ok((tool.variable, (tool.bring)(&sources)?))).collect()
}

impl Sources<'_> {
    fn debian(&self, package: &str, place: &str) -> Result<PathBuf> {
        Ok(self.apt.own(package)?.join(place))
    }

    /// The folders of the libraries among what `package` depends on whose packages' names begin so,
    /// as `LD_LIBRARY_PATH` has them.
    fn libraries(&self, package: &str, names: &[&str]) -> Result<PathBuf> {
        let mut depends = self.apt.own_depends(package)?;
        depends.retain(|depend| names.iter().any(|name| depend.starts_with(name)));
        let mut folders = Vec::new();
        for package in depends {
            folders.extend(libraries::folders(&self.apt.own(&package)?));
        }
        Ok(env::join_paths(folders).context("list the folders of libraries")?.into())
    }
}

/// What the tests open pages in. It needs many libraries, and what it draws a font, so it is
/// installed.
fn browser() -> Result<PathBuf> {
    let browser = "chromium-headless-shell";
    install::ensure(browser, &[browser, "fonts-inter"], "or set NGRAPH_CHROMIUM to where one is")?;
    command::find(browser).context("find what was installed on the PATH")
}

/// Which users read the agent's JSON with. It is small and is on many machines already.
fn jq() -> Result<PathBuf> {
    install::ensure("jq", &["jq"], "or set NGRAPH_JQ to where it is")?;
    command::find("jq").context("find what was installed on the PATH")
}
