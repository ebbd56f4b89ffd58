//! `ngraph watch` under test: its lines are read one by one, when a test wants one.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{PATIENCE, agent::command, wait_for};

/// A running `ngraph watch`, in the network namespace of the thread that started it. Dropping it
/// ends it.
pub struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    /// Starts it without a resolver.
    pub fn launch(args: &[&str]) -> Self {
        let mut command = command(&["watch", "--no-resolve"]);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start ngraph watch");
        let stdout = BufReader::new(child.stdout.take().expect("its stdout"));
        // Without room: a line that no test has asked for stops the reader, and so the pipe.
        let (sender, lines) = sync_channel(0);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The same, and waits until what was open before has been told; gives those lines.
    pub fn start(args: &[&str]) -> (Self, Vec<Value>) {
        let mut watch = Self::launch(args);
        let lines = watch.until("ready", |line| line["event"] == "ready");
        (watch, lines)
    }

    /// The next line; none: it has ended.
    pub fn next(&mut self) -> Option<Value> {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => panic!("waited in vain for a line"),
        };
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|err| panic!("{err}: {line}"));
        assert_eq!(value["schema"], 1, "{line}");
        Some(value)
    }

    /// Lines up to the one of which `fact` holds.
    pub fn until(&mut self, what: &str, mut fact: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            let Some(line) = self.next() else {
                panic!("ended before {what}: {lines:#?}\n{}", self.log());
            };
            let is_last = fact(&line);
            lines.push(line);
            if is_last {
                return lines;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal ngraph watch");
    }

    /// Waits for the end; gives the lines that were left, too.
    pub fn end(&mut self) -> (ExitStatus, Vec<Value>) {
        let mut rest = Vec::new();
        while let Some(line) = self.next() {
            rest.push(line);
        }
        (wait_for("the end of ngraph watch", || self.child.try_wait().expect("wait")), rest)
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut log);
        }
        log
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
