//! What the agent would give up once it runs, tried on a thread that ends.

use std::thread;

use super::finding::Finding;
use crate::{config::Config, fence};

const NAME: &str = "fence";

/// What would be in force, and what this kernel or container keeps from it.
pub(super) fn look(config: &Config) -> Finding {
    // It holds for the thread that raises it: what doctor looks at beside it is unaffected.
    let report = thread::scope(|scope| scope.spawn(|| fence::raise(config)).join());
    let Ok(report) = report else {
        return Finding::missing(NAME, "the thread that raised it panicked", "");
    };
    match report.lacks() {
        [] => Finding::ok(NAME, report.to_string()),
        lacks => Finding::missing(NAME, report.to_string(), lacks.join("; ")),
    }
}
