//! Samples of what a running agent tells at its socket.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1::handshake, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::sample::Sample;
use crate::{
    clock,
    export::{file::reason, json::Document},
};

/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(1);

/// For one answer, that an agent has to make first included.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);

/// Bytes of an answer: those of a million edges.
const MOST: usize = 256 << 20;

/// A running agent.
pub struct Agent {
    path: PathBuf,
    samples: mpsc::Receiver<Result<Sample>>,
}

impl Agent {
    /// The agent that listens at `path`.
    ///
    /// # Errors
    /// Where none does, or what it tells makes no sense.
    pub async fn connect(path: PathBuf) -> Result<Self> {
        ask(&path).await?;
        let (sender, samples) = mpsc::channel(1);
        let asked = path.clone();
        tokio::spawn(async move {
            let mut ticks = interval(SAMPLE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if sender.send(ask(&asked).await).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self { path, samples })
    }

    /// What the header calls it.
    pub fn name(&self) -> String {
        format!("the agent at {}", self.path.display())
    }

    /// Waits for the next sample, or why there's none. Dropping it loses nothing.
    pub async fn next(&mut self) -> Result<Sample> {
        self.samples.recv().await.context("nobody asks the agent any more")?
    }
}

async fn ask(path: &PathBuf) -> Result<Sample> {
    let answer = timeout(PATIENCE, document(path)).await;
    let answer = answer.with_context(|| format!("no answer within {PATIENCE:?}")).flatten();
    let document = answer.with_context(|| format!("ask the agent at {}", path.display()))?;
    Ok(Sample::of(&document, clock::since_boot()))
}

fn remedy(err: &io::Error) -> &'static str {
    match err.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            " (no agent is there: start one with this --socket, or go without it)"
        }
        ErrorKind::PermissionDenied => " (it is for root and the agent's group)",
        _ => "",
    }
}

async fn document(path: &PathBuf) -> Result<Document> {
    loop {
        let (status, body) = get(path).await?;
        match status {
            StatusCode::OK => return serde_json::from_slice(&body).context("read its answer"),
            StatusCode::SERVICE_UNAVAILABLE => sleep(AGAIN).await,
            status => bail!("it answers {status}"),
        }
    }
}

async fn get(path: &PathBuf) -> Result<(StatusCode, Bytes)> {
    let stream = UnixStream::connect(path).await;
    let stream = stream.map_err(|err| anyhow!("{}{}", reason(&err), remedy(&err)))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the one answer.
    tokio::spawn(connection);
    let request = Request::get("/live").header(HOST, "ngraph").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    Ok((status, body.map_err(|err| anyhow!("read its answer: {err}"))?.to_bytes()))
}
