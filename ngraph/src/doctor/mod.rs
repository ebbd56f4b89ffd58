//! `ngraph doctor`: what this machine offers, a line each, with the remedy.

mod fence;
mod finding;
mod held;
mod hooks;
mod kernel;
mod listen;
mod mounts;
mod nat;
mod output;
mod places;
mod proc;
mod resolver;
mod self_test;

use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

use crate::config::Config;
use finding::{Finding, can_run, render, verdict};

/// Prints the findings; whether the agent could run at all with these options, and with
/// `self_test` whether it would miss nothing.
///
/// # Errors
/// Where stdout can't be written.
pub fn examine(config: &Config, self_test: bool) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut findings = runtime.block_on(async {
        let mut findings = look(config).await;
        if self_test {
            findings.extend(self_test::look(config));
        }
        findings
    });
    let can_run = can_run(&findings);
    findings.push(verdict(&findings));
    match io::stdout().write_all(render(&findings).as_bytes()) {
        // Whoever read has seen enough; the exit code still tells the rest.
        Err(err) if err.kind() == ErrorKind::BrokenPipe => {}
        written => written.context("write to stdout")?,
    }
    Ok(can_run)
}

async fn look(config: &Config) -> Vec<Finding> {
    let (btf, offsets) = kernel::btf();
    let mut findings = vec![kernel::release(), kernel::ring_buffer(), btf];
    findings.extend(kernel::lockdown());
    findings.push(mounts::look(config));
    findings.push(kernel::capabilities());
    findings.extend(kernel::perf_event_paranoid());
    findings.extend(hooks::look(config, offsets));
    findings.push(held::look(config, offsets));
    findings.extend(proc::look(config));
    findings.extend(places::look(config));
    findings.extend(nat::look(config));
    findings.extend(output::look(&config.output));
    findings.extend(config.listen.map(listen::look));
    findings.push(resolver::look(config).await);
    findings.push(fence::look(config));
    findings
}
