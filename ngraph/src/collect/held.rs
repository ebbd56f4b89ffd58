//! The iterator over open files, as a rung for snapshots: whether this machine has it, proven
//! like a hook.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use ngraph_common::names::ABSENT;

use super::proving;
use crate::{
    flow::Address,
    hooks::HookSet,
    kernel::{Tracer, offsets::Offsets},
    snapshot::{Snapshot, held, namespaces},
};

/// Its name in messages.
pub const NAME: &str = "iterator:task_file";

/// What is lost without it.
pub const WITHOUT: &str = "snapshots read every TCP table in /proc";

/// Loads it beside `hooks`, and sees that it shows a socket of the agent's own.
///
/// # Errors
/// Why snapshots do without it.
pub fn open(tracer: &mut Tracer, hooks: HookSet, known: Option<Offsets>) -> Result<()> {
    possible(hooks, known)?;
    tracer.load_held()?;
    prove(tracer).context("prove it by an own socket")
}

/// Asked before it's tried.
fn possible(hooks: HookSet, known: Option<Offsets>) -> Result<()> {
    // What it doesn't show may be there, so every end would have the tables read.
    ensure!(hooks.states_speak(), "no hook tells of connections' ends");
    let is_known = known.is_some_and(|known| known.socket_sk != ABSENT);
    ensure!(is_known, "the kernel doesn't tell where a socket's fields are (no BTF)");
    // It shows the processes of the reader's pid namespace.
    ensure!(proving::is_first_pid_namespace()?, "this process isn't in the first pid namespace");
    Ok(())
}

fn prove(tracer: &mut Tracer) -> Result<()> {
    let netns = namespaces::of_process(Path::new("/proc/self"))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("listen at 127.0.0.1 (is the loopback interface up?)")?;
    let own = listener.local_addr().context("ask for the own listener's address")?;
    let mut shown = Snapshot::default();
    held::read(tracer.held_sockets()?, 0, &mut shown)?;
    if !shown.listeners.has(netns, Address::from(own.ip()), own.port()) {
        bail!("it doesn't show a listener at {own}");
    }
    Ok(())
}
