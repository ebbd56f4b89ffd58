//! Whether the hooks still fire: one may be silenced while the agent runs, and nobody tells
//! it. Pure.

use ngraph_common::event::hook;

use crate::{audit::Opens, flow::Role, health::HOOKS, hooks::HookSet};

/// From which beat on a hook that has just been proven is asked again. Where nobody accepts what
/// connects, the hooks for that have nothing to see; that they fire no more is noticed within
/// three beats all the same.
const TRUST: u32 = 2;

/// Beats until a hook that was given up is tried again, at first and at most.
const RETRY: u32 = 4;
const RETRY_MOST: u32 = 256;

/// What is compared from beat to beat.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beat {
    /// How often each hook has run.
    pub seen: [u64; HOOKS],
    /// The kernel's own counts of the agent's namespace.
    pub opens: Opens,
}

/// What there is to do about a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It has seen nothing of what the kernel counted: prove it again.
    Silent(u8),
    /// It was given up: try it again.
    GivenUp(u8),
}

/// Compares beats.
#[derive(Debug, Default)]
pub struct Pulse {
    last: Option<Beat>,
    trust: [u32; HOOKS],
    given_up: [Option<Wait>; HOOKS],
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    left: u32,
    next: u32,
}

impl Pulse {
    /// Takes a beat, and tells which of the `attached` hooks are to be doubted.
    pub fn beat(&mut self, beat: Beat, attached: HookSet) -> Vec<Doubt> {
        let Some(last) = self.last.replace(beat) else {
            return Vec::new();
        };
        let rose = |role| beat.opens.of(role) > last.opens.of(role);
        let mut doubts = Vec::new();
        for hook in 0..HOOKS as u8 {
            let at = usize::from(hook);
            if let Some(wait) = &mut self.given_up[at] {
                wait.left -= 1;
                if wait.left == 0 {
                    doubts.push(Doubt::GivenUp(hook));
                }
                continue;
            }
            self.trust[at] = self.trust[at].saturating_sub(1);
            let is_due = match hook {
                hook::SET_STATE | hook::SOCK_OPS => rose(Role::Outbound) || rose(Role::Inbound),
                hook::TCP_CONNECT => rose(Role::Outbound),
                _ => rose(Role::Inbound),
            };
            let is_silent = beat.seen[at] == last.seen[at];
            if attached.has(hook) && is_due && is_silent && self.trust[at] == 0 {
                doubts.push(Doubt::Silent(hook));
            }
        }
        doubts
    }

    /// A hook has been proven.
    pub fn proven(&mut self, hook: u8) {
        self.trust[usize::from(hook)] = TRUST;
        self.given_up[usize::from(hook)] = None;
    }

    /// A hook stays silent: it's tried again later, and less and less often.
    pub fn give_up(&mut self, hook: u8) {
        let wait = &mut self.given_up[usize::from(hook)];
        let next = wait.map_or(RETRY, |wait| (wait.next * 2).min(RETRY_MOST));
        *wait = Some(Wait { left: next, next });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Capture, graph::PerRole};

    fn beat(seen: u64, inbound: u64, outbound: u64) -> Beat {
        let opens = PerRole::from_fn(|role| if role == Role::Inbound { inbound } else { outbound });
        Beat { seen: [seen; HOOKS], opens }
    }

    fn all() -> HookSet {
        HookSet::of(Capture::Auto).without(hook::SOCK_OPS)
    }

    #[test]
    fn a_hook_that_sees_nothing_of_what_the_kernel_counts_is_doubted_and_no_other() {
        let mut pulse = Pulse::default();
        assert_eq!(pulse.beat(beat(0, 0, 0), all()), []);
        assert_eq!(pulse.beat(beat(0, 0, 0), all()), [], "nothing happened");
        assert_eq!(pulse.beat(beat(1, 0, 1), all()), [], "it was seen");
        let doubts = pulse.beat(beat(1, 0, 2), all());
        assert_eq!(doubts, [Doubt::Silent(hook::SET_STATE), Doubt::Silent(hook::TCP_CONNECT)]);
        let kprobes = all().without(hook::SET_STATE);
        let doubts = pulse.beat(beat(1, 1, 2), kprobes);
        assert_eq!(doubts, [Doubt::Silent(hook::CSK_ACCEPT), Doubt::Silent(hook::SOCK_GRAFT)]);
    }

    #[test]
    fn a_proven_hook_is_trusted_for_a_while() {
        let mut pulse = Pulse::default();
        let only = HookSet::default().with(hook::CSK_ACCEPT);
        pulse.beat(beat(0, 0, 0), only);
        pulse.proven(hook::CSK_ACCEPT);
        let quiet = (1..).take_while(|&n| pulse.beat(beat(0, n, 0), only).is_empty()).count();
        assert_eq!(quiet as u32, TRUST - 1);
        assert!(quiet < 3);
    }

    #[test]
    fn a_hook_that_was_given_up_is_tried_less_and_less_often() {
        let mut pulse = Pulse::default();
        let none = HookSet::default();
        pulse.beat(beat(0, 0, 0), none);
        let mut waits = Vec::new();
        for _ in 0..8 {
            pulse.give_up(hook::TCP_CONNECT);
            let quiet = (1..).take_while(|_| pulse.beat(beat(0, 0, 0), none).is_empty()).count();
            waits.push(quiet as u32 + 1);
        }
        assert_eq!(waits, [4, 8, 16, 32, 64, 128, 256, 256]);
        pulse.proven(hook::TCP_CONNECT);
        assert!((0..300).all(|_| pulse.beat(beat(0, 0, 0), none).is_empty()));
    }
}
