//! An agent under test: started, read, stopped.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{metrics::Metrics, netns, wait_for};

/// The binary under test; a guest has it in another place than the machine that built it.
pub fn binary() -> PathBuf {
    env::var_os("NGRAPH_BIN").map_or_else(|| env!("CARGO_BIN_EXE_ngraph").into(), PathBuf::from)
}

/// A command that runs the agent without this process' own NGRAPH_ variables.
pub fn command(args: &[&str]) -> Command {
    command_of(&binary(), args)
}

/// The same with another copy of the binary.
pub fn command_of(binary: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in
        env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NGRAPH_"))
    {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// Runs a command that prints lines until a reader who has seen one is gone, which is no failure.
pub fn ends_well_after_a_line(mut command: Command) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("ERROR") && !stderr.contains("ngraph:"), "{stderr}");
}

/// A running agent, in the network namespace of the thread that started it. Dropping it
/// ends it.
pub struct Agent {
    child: Child,
    folder: Folder,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    may_miscount: bool,
}

enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

impl Agent {
    /// Starts an agent that writes every second and asks no resolver, and waits for its
    /// first file.
    pub fn start(args: &[&str]) -> Self {
        let agent = Self::launch(args);
        agent.wait_for("the first file", |_| true);
        agent
    }

    /// The same without waiting.
    pub fn launch(args: &[&str]) -> Self {
        let quick: Vec<&str> =
            ["--interval=1", "--no-resolve"].into_iter().chain(args.iter().copied()).collect();
        Self::launch_as_given(&quick)
    }

    /// Starts an agent with these options alone, and waits for its first file.
    pub fn start_as_given(args: &[&str]) -> Self {
        let agent = Self::launch_as_given(args);
        agent.wait_for("the first file", |_| true);
        agent
    }

    fn launch_as_given(args: &[&str]) -> Self {
        let folder = TempDir::new().expect("make a folder");
        let mut command = command(args);
        command.arg("--output").arg(folder.path());
        Self::spawn(command, Folder::Own(folder))
    }

    /// Runs a command that writes into `folder`.
    pub fn run(command: Command, folder: &Path) -> Self {
        Self::spawn(command, Folder::Given(folder.to_owned()))
    }

    fn spawn(mut command: Command, folder: Folder) -> Self {
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("start the agent");
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().expect("the agent's stderr"));
        let sink = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, folder, log, reader: Some(reader), may_miscount: false }
    }

    /// Is made to lose events, or to count what the kernel doesn't: of any other, each file that a
    /// test reads must say that none is lost, and the kernel counts what was captured at the rest
    /// that `expect` waits for.
    pub fn that_miscounts(mut self) -> Self {
        self.may_miscount = true;
        self
    }

    /// Where it writes.
    pub fn folder(&self) -> &Path {
        match &self.folder {
            Folder::Own(folder) => folder.path(),
            Folder::Given(folder) => folder,
        }
    }

    /// Where its file is.
    pub fn file(&self) -> PathBuf {
        self.folder().join("ngraph.prom")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its effective capabilities, a bit each.
    pub fn capabilities(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(path).expect("the agent's status");
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        u64::from_str_radix(line.expect("CapEff").trim(), 16).expect("a hexadecimal number")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Waits until it has logged `text`, which takes its way here.
    pub fn says(&self, text: &str) {
        wait_for(text, || self.log().contains(text).then_some(()));
    }

    /// Its last file, if there is one.
    pub fn metrics(&self) -> Option<Metrics> {
        let metrics = Metrics::parse(&fs::read_to_string(self.file()).ok()?);
        let lost = metrics.sum("ngraph_events_lost_total", &[]);
        assert!(lost == 0 || self.may_miscount, "{lost} events lost");
        Some(metrics)
    }

    /// Waits for a file of which `fact` holds.
    pub fn wait_for(&self, what: &str, mut fact: impl FnMut(&Metrics) -> bool) -> Metrics {
        wait_for(what, || self.metrics().filter(&mut fact))
    }

    /// Waits for two files more, made after everything that has happened until now, so that
    /// a count that goes on rising shows.
    pub fn settled(&self) -> Metrics {
        let stamp = |metrics: &Metrics| {
            let name = "ngraph_last_write_timestamp_seconds";
            metrics.with(name, &[]).next().map_or(0.0, |sample| sample.value)
        };
        let mut last = self.metrics().as_ref().map_or(0.0, stamp);
        let mut metrics = Metrics::default();
        for _ in 0..2 {
            // Another time and not a later one: the clock may be set back meanwhile.
            metrics = self.wait_for("another file", |metrics| stamp(metrics) != last);
            last = stamp(&metrics);
        }
        metrics
    }

    /// Waits until a file has what was expected, and sees that it stays so.
    pub fn expect(&self, what: &str, fact: impl Fn(&Metrics) -> bool) -> Metrics {
        self.wait_for(what, &fact);
        let metrics = self.settled();
        assert!(fact(&metrics), "{what}: held and holds no more: {metrics:#?}");
        if self.may_miscount || !metrics.has_hook("raw_tracepoint:inet_sock_set_state") {
            return metrics;
        }
        // Of another file, since an attempt may have been on its way at this one.
        let netns = netns::of_process(self.pid());
        let what = "the kernel to count what was captured";
        self.wait_for(what, |metrics| metrics.is_explained(&netns));
        metrics
    }

    /// Sends a signal to the agent.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal the agent");
    }

    /// Asks the agent to end, and gives how it did and what it had logged.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::TERM);
        self.end()
    }

    /// Waits for the agent to end by itself.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let status = wait_for("the agent's end", || self.child.try_wait().expect("wait"));
        if let Some(reader) = self.reader.take() {
            reader.join().expect("read the log");
        }
        (status, self.log())
    }
}

/// Ends it. Of a test that fails all that it has said is shown.
impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let file = fs::read_to_string(self.file()).unwrap_or_else(|err| err.to_string());
            eprintln!("--- log of agent {}\n{}\n--- its file\n{file}", self.pid(), self.log());
        }
    }
}
