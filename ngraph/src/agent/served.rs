//! What the agent serves over HTTP: the last file, and whether it is well.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use hyper::StatusCode;
use log::info;
use tokio::sync::watch;

use super::live::Live;
use crate::{
    health::Capacity,
    healthcheck::{Presence, Sight, Written, judge},
    serve::{Answer, MOST_CONNECTIONS, Server, Site, TurnedOut},
};

/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The agent's site, kept up to date.
pub struct Served {
    shown: watch::Sender<Shown>,
    /// What there is at this moment, at the socket alone.
    pub live: Live,
    turned_out: TurnedOut,
}

/// What there is to show.
struct Shown {
    interval: Duration,
    /// The last whole file, and when it was written.
    file: Option<(Bytes, Instant)>,
    /// Why there has been none since.
    trouble: Option<String>,
}

impl Served {
    /// Serves what an agent that writes each `interval` is going to show.
    ///
    /// # Errors
    /// Where there can be no further thread.
    pub fn start(
        bound: Option<(TcpListener, SocketAddr)>,
        socket: Option<UnixListener>,
        interval: Duration,
    ) -> Result<Self> {
        let (shown, read) = watch::channel(Shown { interval, file: None, trouble: None });
        let (live, mut server) = (Live::default(), Server::default());
        if let Some((listener, address)) = bound {
            server.open(move || tokio::net::TcpListener::from_std(listener), site(&read));
            info!("serves http://{address}/metrics and /healthz");
        }
        if let Some(socket) = socket {
            let site = live.page(site(&read));
            server.open(move || tokio::net::UnixListener::from_std(socket), site);
        }
        let turned_out = server.start()?;
        Ok(Self { shown, live, turned_out })
    }

    /// Shows a file that is written.
    pub fn show(&self, text: String) {
        self.shown.send_modify(|shown| {
            shown.file = Some((Bytes::from(text), Instant::now()));
            shown.trouble = None;
        });
    }

    /// Tells why one isn't.
    pub fn show_trouble(&self, trouble: Option<&str>) {
        self.shown.send_modify(|shown| shown.trouble = trouble.map(str::to_owned));
    }

    /// Files come each `interval` from here on.
    pub fn set_interval(&self, interval: Duration) {
        self.shown.send_modify(|shown| shown.interval = interval);
    }

    /// How many may ask at a time.
    pub fn capacity(&self) -> Capacity {
        Capacity { of: "http", most: MOST_CONNECTIONS as u64, reached: self.turned_out.count() }
    }
}

fn site(shown: &watch::Receiver<Shown>) -> Site {
    let (metrics_of, health_of) = (shown.clone(), shown.clone());
    Site::default()
        .with("/metrics", move || metrics(&metrics_of.borrow()))
        .with("/healthz", move || health(&health_of.borrow(), Instant::now()))
}

fn metrics(shown: &Shown) -> Answer {
    match &shown.file {
        Some((text, _)) => {
            Answer { status: StatusCode::OK, content_type: PROMETHEUS, body: text.clone() }
        }
        None => Answer::line(StatusCode::SERVICE_UNAVAILABLE, "there is no file yet"),
    }
}

/// As `ngraph healthcheck` has it, but by a clock that nobody sets.
fn health(shown: &Shown, now: Instant) -> Answer {
    let Shown { interval, file, trouble } = shown;
    let age = file.as_ref().map(|(_, written)| now.saturating_duration_since(*written));
    let sight = Sight { presence: Presence::Runs, written: age.map(Written::Before) };
    match (judge(&sight, *interval), trouble) {
        (Ok(()), _) => Answer::line(StatusCode::OK, "ok"),
        (Err(ailment), None) => {
            Answer::line(StatusCode::SERVICE_UNAVAILABLE, &format!("the file: {ailment}"))
        }
        (Err(_), Some(trouble)) => {
            Answer::line(StatusCode::SERVICE_UNAVAILABLE, &format!("no file: {trouble}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(15);

    fn shown(age: Option<Duration>, trouble: Option<&str>) -> (Shown, Instant) {
        let written = Instant::now();
        let file = age.map(|_| (Bytes::from_static(b"x"), written));
        let trouble = trouble.map(str::to_owned);
        (Shown { interval: INTERVAL, file, trouble }, written + age.unwrap_or_default())
    }

    #[test]
    fn who_has_written_within_three_intervals_is_well() {
        for (age, trouble, status) in [
            (Some(INTERVAL * 3), None, 200),
            (Some(INTERVAL), Some("disk full"), 200),
            (Some(INTERVAL * 4), None, 503),
            (Some(INTERVAL * 4), Some("disk full"), 503),
            (None, None, 503),
        ] {
            let (shown, now) = shown(age, trouble);
            let answer = health(&shown, now);
            assert_eq!(answer.status.as_u16(), status, "{age:?} {trouble:?}");
            let is_told = answer.body == "no file: disk full\n";
            assert_eq!(is_told, status == 503 && trouble.is_some(), "{answer:?}");
        }
    }

    #[test]
    fn the_file_is_served_as_it_is_and_before_the_first_there_is_none() {
        let (with, _) = shown(Some(INTERVAL), None);
        let expected =
            Answer { status: StatusCode::OK, content_type: PROMETHEUS, body: "x".into() };
        assert_eq!(metrics(&with), expected);
        assert_eq!(metrics(&shown(None, None).0).status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
