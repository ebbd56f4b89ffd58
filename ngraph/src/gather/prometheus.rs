//! A Prometheus server's answers. The agents' own families are asked for, so a fleet without our
//! recording rules has a picture, too. <https://prometheus.io/docs/prometheus/latest/querying/api/>

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use ureq::Agent;

use crate::{
    config::duration,
    picture::{
        Reports,
        report::{Family, Labels},
    },
};

/// About 250,000 series of a family.
const MAX_BYTES: u64 = 64 << 20;
/// Of an answer that makes no sense, an error shows as much.
const SHOWN: usize = 80;

/// A server that is asked.
pub(super) struct Server<'a> {
    url: &'a str,
    agent: Agent,
}

/// What the API answers.
#[derive(Deserialize)]
struct Answer<'a> {
    status: &'a str,
    #[serde(default, borrow)]
    data: Option<Data<'a>>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Vec<Series<'a>>,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    metric: Labels<'a>,
    value: (f64, &'a str),
}

impl<'a> Server<'a> {
    /// A server by its URL; nothing is asked yet.
    pub(super) fn new(url: &'a str, timeout: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            // An error is told by the body.
            .http_status_as_error(false)
            .user_agent(concat!("ngraph/", env!("CARGO_PKG_VERSION")));
        Self { url, agent: config.build().into() }
    }

    /// What agents told at a time, or within a range up to it.
    pub(super) fn read(&self, at: Option<&str>, range: Option<Duration>) -> Result<Reports> {
        let mut reports = Reports::default();
        for family in Family::ALL {
            let query = query(family, range);
            let text = self.ask(&query, at).with_context(|| format!("ask {}", self.url))?;
            take(&mut reports, self.url, family, &text)
                .with_context(|| format!("the answer of {} to {query}", self.url))?;
        }
        if reports.edges.is_empty() {
            bail!(
                "{} knows no edges at that time (it must scrape node_exporters that serve \
                 ngraph.prom)",
                self.url
            );
        }
        Ok(reports)
    }

    fn ask(&self, query: &str, at: Option<&str>) -> Result<Vec<u8>> {
        let mut request =
            self.agent.get(format!("{}/api/v1/query", self.url)).query("query", query);
        if let Some(at) = at {
            request = request.query("time", at);
        }
        let mut response = request.call().map_err(told)?;
        let status = response.status();
        let read = response.body_mut().with_config().limit(MAX_BYTES).read_to_vec();
        let body = read.map_err(told)?;
        // Prometheus gives a reason with 400, 422 and 503; others have a page.
        if !status.is_success() && !body.starts_with(b"{") {
            bail!("it answers {status}: {}", shown(&body));
        }
        Ok(body)
    }
}

/// What went wrong, and what to do where that isn't plain.
fn told(err: ureq::Error) -> anyhow::Error {
    match err {
        ureq::Error::BodyExceedsLimit(_) => {
            anyhow!("it answers more than {} MiB", MAX_BYTES >> 20)
        }
        ureq::Error::Timeout(_) => anyhow!("it took too long (--timeout gives it more)"),
        ureq::Error::Protocol(err) => anyhow!("it doesn't speak HTTP: {err}"),
        other => other.into(),
    }
}

/// A time as Prometheus takes it: how long ago, else whatever it may understand.
pub(super) fn time(text: &str, now: SystemTime) -> String {
    let ago = duration::parse(text).filter(|_| text.ends_with(char::is_alphabetic));
    let Some(at) = ago.and_then(|ago| now.checked_sub(ago)) else { return text.to_owned() };
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs().to_string()
}

/// `increase()` doesn't count what a series begins with, and so misses every edge's first
/// connections. So, as in `edges.rules.yml`: the difference, if nothing was reset; all of it, if
/// the edge is younger than the range and its agent isn't; else `increase()`.
fn query(family: Family, range: Option<Duration>) -> String {
    let name = family.name();
    let Some(range) = range.filter(|_| !matches!(family, Family::Unique(_))) else {
        return name.to_owned();
    };
    let seconds = range.as_secs();
    // A reset between the two times and none before.
    let longer = seconds + seconds.div_ceil(5);
    format!(
        "({name} - {name} offset {seconds}s and resets({name}[{longer}s]) == 0) \
         or ({name} unless {name} offset {seconds}s \
         and on (job, instance) ngraph_build_info offset {seconds}s) \
         or increase({name}[{seconds}s])"
    )
}

fn take(reports: &mut Reports, url: &str, family: Family, text: &[u8]) -> Result<()> {
    let answer: Answer<'_> = serde_json::from_slice(text)
        .map_err(|err| anyhow!("not what Prometheus answers ({err}): {}", shown(text)))?;
    let Some(data) = answer.data.filter(|_| answer.status == "success") else {
        bail!("it refuses: {}", shown(answer.error.as_bytes()));
    };
    for Series { metric, value: (_, value) } in data.result {
        let count: f64 =
            value.parse().map_err(|_| anyhow!("{:?} is no number", shown(value.as_bytes())))?;
        // A difference of floats may be a hair below zero.
        let count = if count > -0.5 { count.max(0.0) } else { count };
        reports.add(url, family, &metric, count).map_err(|err| anyhow!(err))?;
    }
    Ok(())
}

/// The beginning, safe for a terminal.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * SHOWN)]);
    crate::picture::readable::readable(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_ago_is_unix_seconds_and_any_other_is_prometheus_own() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(time("1d", now), "913600");
        assert_eq!(time("1h30m", now), "994600");
        for text in ["1700000000", "2026-11-27T05:00:00+01:00", "yesterday", ""] {
            assert_eq!(time(text, now), text);
        }
    }

    #[test]
    fn an_answer_is_series_or_an_error_that_says_what_it_is() {
        let series = r#"{"metric":{"__name__":"x","instance":"a:9100","src_ip":"10.0.0.1",
            "dest_ip":"10.0.0.2","direction":"output","peer_hostname":"b\u0000"},"value":[1.5,"7"]}"#;
        let whole = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{series}]}}}}"#
        );
        let mut reports = Reports::default();
        take(&mut reports, "http://p", Family::Opened, whole.as_bytes()).unwrap();
        assert_eq!(reports.edges.values().next().unwrap().figures.opened, 7);
        assert_eq!(reports.agents[0].instance.as_deref(), Some("a:9100"));
        for (text, error) in [
            (
                r#"{"status":"error","errorType":"bad_data","error":"parse \"x\""}"#,
                "it refuses: parse \"x\"",
            ),
            ("<html>\u{1b}[31m</html>", "<html>\\u{1b}[31m</html>"),
            ("", "not what Prometheus answers (EOF"),
            (&whole[..whole.len() / 2], "not what Prometheus answers (EOF"),
            (&whole.replace("\"7\"", "\"x\""), "\"x\" is no number"),
            (&whole.replace("\"7\"", "\"NaN\""), "NaN is no count"),
            (
                r#"{"status":"success","data":{"result":[1.0,"2"]}}"#,
                "not what Prometheus answers (invalid",
            ),
        ] {
            let refused = take(&mut Reports::default(), "u", Family::Opened, text.as_bytes());
            let said = format!("{:#}", refused.unwrap_err());
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
