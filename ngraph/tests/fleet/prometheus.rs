//! A real Prometheus with our rules, and its answers.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, Permissions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    deploy,
    support::{
        exporter::{for_nobody, start},
        http,
        limited::NOBODY,
        wait_for,
    },
};

/// What the rules' five minutes are here, so that tests last no ten. Nothing else is changed.
/// It is also how long a busy machine may take from traffic to the last answer.
pub const WINDOW: &str = "30s";
const RESETS: &str = "36s";

/// Labels without the name.
pub type Labels = BTreeMap<String, String>;

pub struct Prometheus {
    child: Child,
    pub address: SocketAddr,
    _place: TempDir,
}

impl Prometheus {
    /// Starts it in the calling thread's network namespace, with the rules. It scrapes these
    /// targets each second, each known by its name as `instance`.
    pub fn start(program: &Path, targets: &[(&str, SocketAddr)]) -> Self {
        let (mut command, place) = for_nobody(program);
        let folder = place.path();
        for rules in ["edges.rules.yml", "alerts.rules.yml"] {
            let text = fs::read_to_string(deploy("prometheus").join(rules)).unwrap();
            let text = text
                .replace("offset 5m", &format!("offset {WINDOW}"))
                .replace("[5m]", &format!("[{WINDOW}]"))
                .replace("[6m]", &format!("[{RESETS}]"));
            fs::write(folder.join(rules), text).unwrap();
        }
        let config = folder.join("prometheus.yml");
        fs::write(&config, configuration(targets)).unwrap();
        let data = folder.join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let prometheus = Self { child: start(&mut command), address, _place: place };
        wait_for("Prometheus to be ready", || http::get(address, "/-/ready").ok());
        prometheus
    }

    /// Waits until something is so.
    pub fn wait_for(&self, what: &str, fact: impl Fn(&Self) -> bool) {
        wait_for(what, || fact(self).then_some(()));
    }

    /// What a query gives now: a sample a line, in an order of their own.
    pub fn query(&self, query: &str) -> Result<BTreeMap<Labels, f64>, String> {
        let answer = self.api(&format!("query?query={}", http::escaped(query)))?;
        let samples = answer["result"].as_array().ok_or("no vector")?;
        Ok(samples.iter().map(sample).collect())
    }

    /// The data of an answer.
    pub fn api(&self, path: &str) -> Result<Value, String> {
        let body = http::get(self.address, &format!("/api/v1/{path}"));
        let answer: Value = serde_json::from_str(&body.map_err(|err| err.to_string())?)
            .map_err(|err| err.to_string())?;
        Ok(answer["data"].clone())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(targets: &[(&str, SocketAddr)]) -> String {
    let mut text = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n\
                    rule_files: [edges.rules.yml, alerts.rules.yml]\n\
                    scrape_configs:\n- job_name: node\n  static_configs:\n"
        .to_owned();
    for (name, address) in targets {
        writeln!(text, "  - {{targets: ['{address}'], labels: {{instance: {name}}}}}").unwrap();
    }
    text
}

fn sample(sample: &Value) -> (Labels, f64) {
    let mut labels: Labels = serde_json::from_value(sample["metric"].clone()).unwrap();
    labels.remove("__name__");
    let value = sample["value"][1].as_str().unwrap().parse().unwrap();
    (labels, value)
}
