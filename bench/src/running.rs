//! A tracer that runs: started, waited for, looked at, ended.

use std::{
    fs::File,
    io::Read as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{prom::Samples, tracer::Tracer};

/// How long a tracer may take to get ready, or the agent to have counted everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Dropping this kills it.
#[derive(Debug)]
pub(crate) struct Running {
    tracer: Tracer,
    child: Child,
    folder: TempDir,
    /// What it says, from where it was read last.
    log: File,
    /// From its start until it was ready: the agent's first file.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// Starts a tracer and waits until it has attached its hooks.
    pub(crate) fn start(tracer: &Tracer, libraries: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder for a tracer's output")?;
        let output = folder.path().join("output");
        let file = File::create(&output).with_context(|| format!("create {}", output.display()))?;
        let errors = folder.path().join("errors");
        let written = File::create(&errors).context("create a file for errors")?;
        let log = File::open(&errors).context("open the file for errors")?;
        let mut command = Command::new(&tracer.program);
        command.args(&tracer.args).stdin(Stdio::null()).stdout(file).stderr(written);
        if tracer.ends.is_none() {
            command.arg("--output").arg(folder.path());
        }
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        let start = Instant::now();
        let child =
            command.spawn().with_context(|| format!("start {}", tracer.program.display()))?;
        let tracer = tracer.clone();
        let mut this = Self { tracer, child, folder, log, ready_after: Duration::ZERO };
        this.wait_until_ready(start)?;
        Ok(this)
    }

    fn wait_until_ready(&mut self, start: Instant) -> Result<()> {
        while !self.is_ready() {
            if let Some(status) = self.child.try_wait().context("wait for a tracer")? {
                bail!("{} ended: {status}: {}", self.tracer.name, self.said());
            }
            if start.elapsed() > PATIENCE {
                bail!("{} wasn't ready within {PATIENCE:?}: {}", self.tracer.name, self.said());
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.ready_after = start.elapsed();
        // Hooks are attached one after the other, and only the first has shown.
        if self.tracer.ends.is_some() {
            thread::sleep(Duration::from_millis(700));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        match self.tracer.ends {
            None => self.file().exists(),
            // It has no hooks; a socket is all that it opens.
            Some(_) if self.tracer.name == "ss" => true,
            Some(_) => crate::proc::is_attached(self.pid()),
        }
    }

    fn said(&self) -> String {
        let text = std::fs::read_to_string(self.errors()).unwrap_or_default();
        text.lines().last().unwrap_or("it said nothing").to_owned()
    }

    fn errors(&self) -> PathBuf {
        self.folder.path().join("errors")
    }

    /// Whether it has said these words since this was asked for the last time.
    pub(crate) fn has_said(&mut self, words: &str) -> Result<bool> {
        let mut said = String::new();
        let read = self.log.read_to_string(&mut said);
        read.with_context(|| format!("read {}", self.errors().display()))?;
        Ok(said.contains(words))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ngraph.prom")
    }

    /// The agent's last file.
    pub(crate) fn samples(&self) -> Samples {
        Samples::read(&self.file())
    }

    /// The agent's first file that was made wholly after this call.
    pub(crate) fn next_samples(&self) -> Result<Samples> {
        let mut last = self.samples().written_at();
        // The next one may have been begun before.
        for _ in 0..2 {
            last = self.wait_for(|samples| samples.written_at() > last)?.written_at();
        }
        Ok(self.samples())
    }

    /// Waits for a file of the agent's of which `fact` holds; the last one where none does.
    pub(crate) fn wait_for(&self, fact: impl Fn(&Samples) -> bool) -> Result<Samples> {
        let start = Instant::now();
        loop {
            let samples = self.samples();
            if fact(&samples) {
                return Ok(samples);
            }
            if start.elapsed() > PATIENCE {
                bail!("wait for the agent's file: what was awaited didn't come ({})", self.said());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as Ctrl-C does, and gives how many ends of connections to `ports` it has told of.
    pub(crate) fn stop(mut self, ports: &[u16]) -> Result<Option<u64>> {
        let pid = Pid::from_raw(self.child.id() as i32).context("a process has a number")?;
        kill_process(pid, Signal::INT).context("end a tracer")?;
        let start = Instant::now();
        while self.child.try_wait().context("wait for a tracer's end")?.is_none() {
            if start.elapsed() > PATIENCE {
                bail!("end {}: it doesn't within {PATIENCE:?}", self.tracer.name);
            }
            thread::sleep(Duration::from_millis(10));
        }
        let output = self.folder.path().join("output");
        self.tracer.ends.map(|ends| ends.count_in(&output, ports)).transpose()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
