//! A Prometheus that scrapes the simulated fleet by the project's rules.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fleet::{self, Fleet, JOBS};

/// How long it may take to be ready, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The rules, of `deploy/prometheus`.
const RULES: [&str; 3] = ["edges.rules.yml", "scale.rules.yml", "alerts.rules.yml"];

/// Dropping this kills it.
pub(crate) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts `program` on hosts that answer at `port`. `dropped` are the names of families that it
    /// doesn't keep, as a regular expression.
    pub(crate) fn start(
        program: &Path,
        rules: &Path,
        fleet: Fleet,
        port: u16,
        dropped: Option<&str>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for Prometheus")?;
        let place = folder.path();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
        let address = listener.local_addr().context("find a free port")?;
        drop(listener);
        let targets = serde_json::to_string(&targets(fleet, port))?;
        for (name, text) in
            [("prometheus.yml", configuration(address, rules, dropped)), ("fleet.json", targets)]
        {
            fs::write(place.join(name), text).with_context(|| format!("write {name}"))?;
        }
        let mut command = Command::new(program);
        command.current_dir(place).args(["--config.file=prometheus.yml", "--log.level=warn"]);
        command.arg("--storage.tsdb.path=data").arg(format!("--web.listen-address={address}"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let mut this = Self { child, address, _folder: folder };
        this.wait_until_ready()?;
        Ok(this)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        while self.get("/-/ready").is_err() {
            if let Some(status) = self.child.try_wait().context("wait for Prometheus")? {
                bail!("Prometheus ended: {status}");
            }
            if start.elapsed() > PATIENCE {
                bail!("Prometheus wasn't ready within {PATIENCE:?}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The values that a query has now, and how long the answer took.
    pub(crate) fn query(&self, query: &str) -> Result<(Vec<f64>, Duration)> {
        let start = Instant::now();
        let text = self.get(&format!("/api/v1/query?query={}", escaped(query)))?;
        let took = start.elapsed();
        let answer: Value = serde_json::from_str(&text).context("read Prometheus' answer")?;
        let samples = answer["data"]["result"].as_array();
        let samples = samples.with_context(|| format!("find a vector in the answer to {query}"))?;
        let value = |sample: &Value| sample["value"][1].as_str()?.parse().ok();
        Ok((samples.iter().filter_map(value).collect(), took))
    }

    /// The value of a query that has one.
    pub(crate) fn value(&self, query: &str) -> Result<f64> {
        let (values, _) = self.query(query)?;
        values.first().copied().with_context(|| format!("nothing answers {query}"))
    }

    fn get(&self, path: &str) -> Result<String> {
        let url = format!("http://{}{path}", self.address);
        let mut answer = ureq::get(&url).call().with_context(|| format!("get {url}"))?;
        // A graph of many edges is past the ten megabytes that are taken by default.
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_string();
        body.with_context(|| format!("read the answer of {url}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(own: SocketAddr, rules: &Path, dropped: Option<&str>) -> String {
    let mut text =
        "global: {scrape_interval: 15s, evaluation_interval: 60s}\nrule_files:\n".to_owned();
    for file in RULES {
        let _ = writeln!(text, "- {}", rules.join(file).display());
    }
    let _ = writeln!(
        text,
        "scrape_configs:\n- {{job_name: prometheus, static_configs: [{{targets: ['{own}']}}]}}\n\
         - job_name: fleet\n  file_sd_configs: [{{files: [fleet.json]}}]"
    );
    if let Some(dropped) = dropped {
        let _ = writeln!(
            text,
            "  metric_relabel_configs:\n  - {{source_labels: [__name__], regex: '{dropped}', action: drop}}"
        );
    }
    text
}

fn targets(fleet: Fleet, port: u16) -> Value {
    let target = |host: u32| {
        let job = JOBS[host as usize % JOBS.len()];
        let at = SocketAddr::from((fleet::served_at(host), port));
        json!({ "targets": [at], "labels": { "instance": fleet::name(host), "job": job } })
    };
    (0..fleet.hosts).map(target).collect()
}

/// A text as a query's value.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
