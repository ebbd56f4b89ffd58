//! Which hooks work here, each attached and proven by an own connection, and what
//! `--capture` makes of them.

use super::finding::Finding;
use crate::{
    collect::capture,
    config::{Capture, Config},
    hooks::{HOOKS, HookSet},
    kernel::offsets::Offsets,
};

/// A finding for each hook, and one for the way of capturing. Needs a tokio runtime.
pub(super) fn look(config: &Config, known: Option<Offsets>) -> Vec<Finding> {
    let mut working = HookSet::default();
    let mut findings = Vec::new();
    for hook in capture::wanted(Capture::Auto).iter() {
        let about = &HOOKS[usize::from(hook)];
        findings.push(match capture::try_alone(config, hook, known) {
            Ok(()) => {
                working = working.with(hook);
                Finding::ok(about.name, "proven by an own connection")
            }
            Err(err) => {
                Finding::missing(about.name, format!("{err:#}; without it: {}", about.without), "")
            }
        });
    }
    findings.push(way(config.capture, working));
    findings
}

/// What the agent would capture with. `auto` always finds a way: /proc has its own finding.
fn way(asked: Capture, working: HookSet) -> Finding {
    let hooks = HookSet::of(asked).iter().filter(|&hook| working.has(hook));
    let hooks = hooks.fold(HookSet::default(), HookSet::with);
    match asked {
        Capture::Procfs => Finding::ok("capture", "/proc snapshots alone, as asked for"),
        Capture::Auto if hooks.is_empty() => Finding::missing(
            "capture",
            "no hook works: /proc snapshots alone, which miss connections that open and close \
             between two",
            "see the hooks above",
        ),
        Capture::Kprobe | Capture::Tracepoint
            if !(hooks.sees_connects() && hooks.sees_accepts()) =>
        {
            let text = "the hooks that --capture asks for don't work";
            let remedy = "see the hooks above; --capture auto takes what there is";
            Finding::missing("capture", text, remedy).needed()
        }
        _ => Finding::ok("capture", hooks.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use ngraph_common::event::hook;

    use super::*;
    use crate::doctor::finding::can_run;

    #[test]
    fn a_way_that_was_asked_for_and_does_not_work_keeps_the_agent_from_running() {
        let none = HookSet::default();
        let tracepoint = none.with(hook::SET_STATE);
        let accepts_alone = none.with(hook::CSK_ACCEPT);
        let kprobes = accepts_alone.with(hook::TCP_CONNECT);
        for (asked, working, expected) in [
            (Capture::Auto, none, true),
            (Capture::Procfs, none, true),
            (Capture::Kprobe, none, false),
            (Capture::Kprobe, tracepoint, false),
            (Capture::Kprobe, accepts_alone, false),
            (Capture::Kprobe, kprobes, true),
            (Capture::Tracepoint, none, false),
            (Capture::Tracepoint, kprobes, false),
            (Capture::Tracepoint, tracepoint, true),
        ] {
            assert_eq!(can_run(&[way(asked, working)]), expected, "{asked:?} {working}");
        }
    }

    #[test]
    fn the_way_names_the_hooks_it_takes_and_no_other() {
        let working = HookSet::default().with(hook::SET_STATE).with(hook::TCP_CONNECT);
        let text = "raw_tracepoint:inet_sock_set_state";
        assert_eq!(way(Capture::Tracepoint, working), Finding::ok("capture", text));
    }
}
