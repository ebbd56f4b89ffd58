//! `--self-test`: opens connections to itself and sees how many are captured, and how many
//! the kernel counts.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use super::finding::Finding;
use crate::{
    audit::{Audit, Opens},
    collect::{
        Loops,
        capture::{self, Captured},
    },
    config::{Config, Scope},
    flow::Role,
    graph::PerRole,
    observe::Observation,
    snapshot::{namespaces, opens},
};

/// How many connections are opened.
const MANY: u64 = 1_000;

/// How long the last of them has to be captured: fifty times what a drain takes.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is found: captured, counted by the kernel, lost. Needs a tokio runtime.
pub(super) fn look(config: &Config) -> Vec<Finding> {
    match run(config) {
        Ok(findings) => findings,
        Err(err) => {
            let text = format!("{err:#}");
            vec![Finding::missing("self-test", text, "see the lines above").needed()]
        }
    }
}

fn run(config: &Config) -> Result<Vec<Finding>> {
    let config = Config { scope: Scope::Own, ..config.clone() };
    // What the log would say of the hooks, the findings have said.
    log::set_max_level(log::LevelFilter::Off);
    let mut captured = capture::open(&config, &mut Loops::default())?;
    let netns = namespaces::of_process(&config.procfs.join("self"))?;
    let kernel = || opens::read(&config.procfs, "self", netns);
    let mut tally = Tally::default();
    tally.drain(&mut captured)?;
    let (before, known) = (kernel()?, tally.audit.captured(netns));
    connect(&mut captured, &mut tally)?;
    let (after, captured) = (kernel()?, tally.audit.captured(netns));
    Ok(findings(&tally.own, &since(&before, &after), &since(&known, &captured)))
}

/// What was captured: of the own connections, and of all.
#[derive(Default)]
struct Tally {
    server: Option<SocketAddr>,
    own: Opens,
    audit: Audit,
}

impl Tally {
    fn drain(&mut self, captured: &mut Captured) -> Result<()> {
        let Captured { tracer: Some(tracer), reading, .. } = captured else {
            return Ok(());
        };
        let reading = *reading;
        tracer.drain(|event| {
            if let Some(Ok(Some(observation))) = event.map(|event| reading.observe(event)) {
                self.take(&observation);
            }
        });
        tracer.drain_overflow(|like, count| {
            if let Ok(Some(observation)) = reading.observe_alike(like, count) {
                self.take(&observation);
            }
        })
    }

    fn take(&mut self, observation: &Observation) {
        self.audit.observe(observation);
        let Observation::Opened { flow, role, .. } = observation else {
            return;
        };
        let Some(server) = self.server else {
            return;
        };
        // The listening port is the agent's alone.
        let port = if *role == Role::Inbound { flow.local_port } else { flow.peer_port };
        if port == server.port() && flow.peer.ip() == server.ip() {
            *self.own.of_mut(*role) += 1;
        }
    }
}

/// Opens and closes the connections and takes what is told of them.
fn connect(captured: &mut Captured, tally: &mut Tally) -> Result<()> {
    let context = "connect to 127.0.0.1 (is the loopback interface up?)";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(context)?;
    let server = listener.local_addr().context(context)?;
    tally.server = Some(server);
    for _ in 0..MANY {
        let client = TcpStream::connect(server).context(context)?;
        drop(listener.accept().context(context)?);
        drop(client);
        // At once, lest a small ring fills: what is counted by edge alone isn't known as own.
        tally.drain(captured)?;
    }
    let start = Instant::now();
    while Role::ALL.iter().any(|&role| *tally.own.of(role) < MANY) && start.elapsed() < PATIENCE {
        tally.drain(captured)?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn since(before: &Opens, after: &Opens) -> Opens {
    PerRole::from_fn(|role| after.of(role).saturating_sub(*before.of(role)))
}

fn findings(own: &Opens, kernel: &Opens, all: &Opens) -> Vec<Finding> {
    let of = |opens: &Opens| {
        format!("{} outbound, {} inbound", opens.of(Role::Outbound), opens.of(Role::Inbound))
    };
    let lost: u64 = Role::ALL.iter().map(|&role| MANY.saturating_sub(*own.of(role))).sum();
    let captured = format!("{} of {MANY} connections to itself", of(own));
    let counted = format!("{}; captured of all meanwhile: {}", of(kernel), of(all));
    vec![
        Finding::ok("captured", captured),
        Finding::ok("kernel's count", counted),
        match lost {
            0 => Finding::ok("lost", "0"),
            lost => {
                let remedy = "see the hooks above; --capture procfs sees no short connection";
                Finding::missing("lost", lost.to_string(), remedy).needed()
            }
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::can_run;

    #[test]
    fn a_connection_that_is_not_captured_is_failure() {
        let opens = |outbound, inbound| {
            PerRole::from_fn(|role| if role == Role::Outbound { outbound } else { inbound })
        };
        let all = opens(MANY, MANY);
        assert!(can_run(&findings(&all, &all, &all)));
        let found = findings(&opens(MANY, MANY - 1), &all, &all);
        assert!(!can_run(&found), "{found:?}");
    }
}
