//! The hooks: what they are called, what they are for, and which of them a way of
//! capturing takes. Pure.

use std::fmt;

use ngraph_common::event::hook;

use crate::{config::Capture, health};

/// A hook, and what is known of it before it is tried.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// Its name in metrics and messages.
    pub name: &'static str,
    /// What is lost without it, where the others are there.
    pub without: &'static str,
}

/// The hooks, in the order of `ngraph_common::event::hook`.
pub const HOOKS: [Hook; health::HOOKS] = [
    Hook {
        name: "raw_tracepoint:inet_sock_set_state",
        without: "failures, ends of connections, and connections that nobody accepts",
    },
    Hook { name: "kprobe:tcp_connect", without: "a second witness of outbound connections" },
    Hook {
        name: "kretprobe:inet_csk_accept",
        without: "owners of inbound connections, unless security_sock_graft is there",
    },
    Hook {
        name: "kprobe:security_sock_graft",
        without: "owners of inbound connections where many tasks wait in accept()",
    },
    Hook {
        name: "cgroup:sock_ops",
        without: "some connections under load, which ngraph_hook_missed_total counts",
    },
];

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSet([bool; health::HOOKS]);

impl HookSet {
    /// Those that a way of capturing takes.
    pub fn of(capture: Capture) -> Self {
        match capture {
            Capture::Auto => Self([true; health::HOOKS]),
            Capture::Kprobe => {
                Self([true; health::HOOKS]).without(hook::SET_STATE).without(hook::SOCK_OPS)
            }
            Capture::Tracepoint => Self::default().with(hook::SET_STATE).with(hook::SOCK_OPS),
            Capture::Procfs => Self::default(),
        }
    }

    /// Whether `hook` is in the set.
    pub fn has(self, hook: u8) -> bool {
        self.0.get(usize::from(hook)).is_some_and(|&has| has)
    }

    /// The set with `hook`.
    pub fn with(mut self, hook: u8) -> Self {
        self.0[usize::from(hook)] = true;
        self
    }

    /// The set without `hook`.
    pub fn without(mut self, hook: u8) -> Self {
        self.0[usize::from(hook)] = false;
        self
    }

    /// Whether there is no hook in it.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The hooks in it.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..hook::COUNT as u8).filter(move |&hook| self.has(hook))
    }

    /// One answer for each hook.
    pub fn flags(self) -> [bool; health::HOOKS] {
        self.0
    }

    /// Whether changes of state speak for a connection's life.
    pub fn states_speak(self) -> bool {
        self.has(hook::SET_STATE)
    }

    /// Whether some hook tells of accepted connections.
    pub fn sees_accepts(self) -> bool {
        self.states_speak() || self.has(hook::CSK_ACCEPT) || self.has(hook::SOCK_GRAFT)
    }

    /// Whether some hook tells of outbound connections.
    pub fn sees_connects(self) -> bool {
        self.states_speak() || self.has(hook::TCP_CONNECT)
    }
}

impl fmt::Display for HookSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (i, hook) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}", HOOKS[usize::from(hook)].name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_kprobe_is_the_probes_alone_and_tracepoint_the_raw_tracepoint_alone() {
        assert!(!HookSet::of(Capture::Kprobe).states_speak());
        assert_eq!(HookSet::of(Capture::Kprobe).iter().count(), 3);
        let tracepoint = HookSet::of(Capture::Tracepoint).without(hook::SOCK_OPS);
        assert_eq!(tracepoint.to_string(), "raw_tracepoint:inet_sock_set_state");
        assert!(HookSet::of(Capture::Procfs).is_empty());
    }

    #[test]
    fn a_set_without_a_hook_has_all_the_others() {
        let set = HookSet::of(Capture::Auto).without(hook::SET_STATE);
        assert!(!set.states_speak() && set.sees_accepts() && set.sees_connects());
        assert_eq!(set.without(hook::SOCK_OPS), HookSet::of(Capture::Kprobe));
    }
}
