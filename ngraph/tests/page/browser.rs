//! A headless Chromium, spoken to by the DevTools protocol over a pair of pipes.
//!
//! The protocol is JSON between zero bytes. Over pipes it needs no port and no WebSocket, and the
//! browser ends with its test.

use std::{
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// It asks nothing of a network by itself; as root it has no sandbox.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
];

pub struct Browser {
    child: Child,
    writer: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    /// What the page did without being asked.
    pub events: Vec<Value>,
    /// Where it saves files, beside its profile.
    folder: TempDir,
}

impl Browser {
    /// Starts `program` with one empty tab.
    pub fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The browser reads from descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null", "sh"])
            .arg(program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let writer = child.stdin.take().unwrap();
        let messages = follow(BufReader::new(child.stdout.take().unwrap()));
        let (session, calls, events) = (None, 0, Vec::new());
        let mut browser = Self { child, writer, messages, session, calls, events, folder };
        let tab = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": tab["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// The folder that files are saved to.
    pub fn saves(&self) -> PathBuf {
        self.folder.path().join("saves")
    }

    /// Calls a method; gives back its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.writer.write_all(format!("{message}\0").as_bytes()).unwrap();
        let answer = self.wait(method, |message| message["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// Waits for an event that has not come yet.
    pub fn wait_for_event(&mut self, method: &str) -> Value {
        self.wait(method, |message| message["method"] == method)
    }

    fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|err| panic!("wait for {what}: {err}"));
            let found = is_it(&message);
            if message["id"].is_null() {
                self.events.push(message.clone());
            }
            if found {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It would end by itself, but not before its folder is removed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads messages in a thread of its own, since reading can't be given a deadline.
fn follow(mut reader: impl BufRead + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut message = Vec::new();
        while reader.read_until(0, &mut message).is_ok_and(|length| length > 0) {
            message.pop();
            if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                return;
            }
            message.clear();
        }
    });
    receiver
}
