//! Whether snapshots have the iterator over open files, tried as the agent does.

use super::finding::Finding;
use crate::{
    collect::{capture, held},
    config::{Capture, Config},
    kernel::offsets::Offsets,
};

/// The rung that snapshots stand on. Needs a tokio runtime.
pub(super) fn look(config: &Config, known: Option<Offsets>) -> Finding {
    // Neither has a hook that tells of ends.
    if let Capture::Procfs | Capture::Kprobe = config.capture {
        return Finding::ok(held::NAME, format!("not used with this --capture: {}", held::WITHOUT));
    }
    match capture::try_held(config, known) {
        Ok(()) => Finding::ok(
            held::NAME,
            "proven by an own socket; snapshots read those TCP tables in /proc alone of which it \
             shows too little",
        ),
        Err(err) => Finding::missing(held::NAME, format!("{err:#}; {}", held::WITHOUT), ""),
    }
}
