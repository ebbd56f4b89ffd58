//! Gives up, once the hooks are attached and proven, whatever the running agent doesn't need:
//! capabilities, syscalls, files.
//!
//! All of it holds for the calling thread and those that it starts. A kernel that lacks a part
//! of it, or a container that forbids it, leaves the agent with less of a fence and no less of
//! a capture.
//!
//! The process stays one that can be dumped and looked at: otherwise /proc/self/fdinfo, where the
//! kernel tells of missed runs, is closed before Linux 5.14 to an agent that isn't root. Whoever
//! has less capabilities than it keeps can't trace it anyway.

mod capabilities;
mod files;
mod syscalls;

use std::{fmt, fs};

use log::{debug, info, warn};
use rustix::thread::CapabilitySet;

use crate::config::Config;
use files::Files;

/// What is left after `raise`.
#[derive(Debug)]
pub struct Report {
    /// The capabilities that stay.
    kept: CapabilitySet,
    /// Whether exec, mount and the like are refused.
    are_syscalls_refused: bool,
    files: Files,
    /// What this kernel lacks or forbids, a sentence each.
    lacks: Vec<String>,
    /// Threads that were there already, which keep all they had.
    threads: usize,
}

/// Raises the fence around the calling thread and those that it starts from here on. What the
/// agent does with `config` still works: write its files, read /proc and the resolver's
/// configuration, attach its hooks anew.
///
/// There's no way back, and no error: what can't be given up is kept, and reported.
pub fn raise(config: &Config) -> Report {
    let mut lacks = Vec::new();
    // Without it the kernel takes neither filters nor rules from who isn't root.
    if let Err(err) = rustix::thread::set_no_new_privs(true) {
        lacks.push(format!("no_new_privs: {err}"));
    }
    let files = files::restrict(config, &mut lacks);
    let kept = capabilities::keep(config, &mut lacks);
    // Last: every call above is done by then.
    let are_syscalls_refused = match syscalls::refuse() {
        Ok(()) => true,
        Err(err) => {
            lacks.push(format!("seccomp: {err}"));
            false
        }
    };
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count).saturating_sub(1);
    Report { kept, are_syscalls_refused, files, lacks, threads }
}

impl Report {
    /// Logs it: a line of what is in force, and the rest for whoever debugs.
    pub fn tell(&self) {
        info!("fenced: {self}");
        for lack in &self.lacks {
            debug!("less of a fence: {lack}");
        }
        if self.threads > 0 {
            warn!("threads outside of the fence, started before it: {}", self.threads);
        }
    }

    /// What this kernel lacks or forbids, a sentence each.
    pub fn lacks(&self) -> &[String] {
        &self.lacks
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> =
            self.kept.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
        let kept = if names.is_empty() { "no capability".to_owned() } else { names.join(", ") };
        let syscalls = if self.are_syscalls_refused { "refused" } else { "not refused" };
        let Self { files, .. } = self;
        write!(
            f,
            "keeps {kept}; exec, ptrace, mount and the like are {syscalls} (seccomp); {files}"
        )
    }
}
