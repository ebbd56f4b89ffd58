//! How long a connection takes to its place in the live set: from connect() until the agent says
//! that it takes it in, which at its debug level it does for each.

use std::{
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::Options;
use crate::{generator::Churning, results::Results, running::Running};

/// Connections that are waited for, each time.
const PROBES: u32 = 30;

/// The longest that one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What else goes on, in connections a second.
const BUSY: u64 = 1_000;

/// Where nothing happens, and beside others.
pub(super) fn measure(options: &Options, results: &mut Results) -> Result<()> {
    eprintln!("delays");
    let mut running = Running::start(&options.agent(&["--log-level", "debug"]), None)?;
    let mut tell = |of: &str, delays: Vec<Duration>| {
        for delay in delays {
            results.add("from connect to the live set, ms", of, delay.as_secs_f64() * 1e3);
        }
    };
    tell("idle", delays(&mut running)?);
    let _busy = Churning::start(BUSY)?;
    tell(&format!("{BUSY} others a second"), delays(&mut running)?);
    Ok(())
}

fn delays(running: &mut Running) -> Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    let address = listener.local_addr().context("ask for the listener's port")?;
    (0..PROBES)
        .map(|number| {
            // At another moment between two drains, each time.
            thread::sleep(Duration::from_millis(u64::from(number * 67 % 200)));
            let start = Instant::now();
            let client = TcpStream::connect(address).context("connect on loopback")?;
            let port = client.local_addr().context("ask for a connection's port")?.port();
            wait_for(running, &format!("opened outbound: 127.0.0.1 port {port},"))?;
            Ok(start.elapsed())
        })
        .collect()
}

fn wait_for(running: &mut Running, words: &str) -> Result<()> {
    let start = Instant::now();
    while !running.has_said(words)? {
        if start.elapsed() > PATIENCE {
            bail!("wait for the agent to say `{words}`: it didn't within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}
