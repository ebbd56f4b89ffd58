//! Writes lines to stdout, in a thread of its own: who reads may let it wait for as long as they
//! like.

use std::{
    io::{self, Write as _},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::oneshot,
};

use super::queue::Queue;
use crate::clock;

/// Lines that are written by one call.
const BATCH: usize = 256;

/// Starts the thread. What is given ends with the queue, or where stdout can't be written.
///
/// # Errors
/// Where there's no thread to be had.
pub fn start(queue: Arc<Queue>) -> Result<oneshot::Receiver<io::Result<()>>> {
    let (ended, end) = oneshot::channel();
    let run = move || {
        // Nobody waits for it where the loop has ended.
        let _ = ended.send(write(&queue));
    };
    thread::Builder::new().name("writer".to_owned()).spawn(run).context("start a thread")?;
    Ok(end)
}

fn write(queue: &Queue) -> io::Result<()> {
    let mut text = String::new();
    loop {
        let lines = queue.take(BATCH);
        if lines.is_empty() {
            return Ok(());
        }
        text.clear();
        let boot = clock::since_1970().saturating_sub(clock::since_boot());
        lines.iter().for_each(|line| text.push_str(&line.text(boot)));
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
}

/// Waits until nobody reads stdout any more, which is to be seen though nothing is written; for
/// ever where stdout is no pipe.
pub async fn reader_gone() {
    // SAFETY: the descriptor stays open for as long as the process runs.
    let stdout = unsafe { AsyncFd::register_with_interest(io::stdout(), Interest::ERROR) };
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
