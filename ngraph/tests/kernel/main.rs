//! What the kernel side sees, on whatever kernel this runs: real sockets, each test in a
//! network namespace of its own, once for each way of capturing. Needs root. Built static,
//! this one file is run in the guests of `cargo xtask vm`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod alone;
mod audit;
mod bounds;
mod burst;
mod clocks;
mod company;
mod containers;
mod counts;
mod direction;
mod endings;
mod failures;
mod fence;
mod handshakes;
mod held;
mod labels;
mod loss;
mod moving;
mod namespaces;
mod nat;
mod owner;
mod privileges;
mod protocols;
mod sharing;
mod start;
#[path = "../support/mod.rs"]
mod support;
mod uring;
mod watch;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Makes a test of `$rule(capture)` for each way of capturing named; those `alone` are for
/// guests, where nothing runs beside them.
#[macro_export]
macro_rules! captures {
    (alone $rule:ident: $($capture:ident),+) => {
        captures!([ignore = "changes the whole machine: for guests"] $rule: $($capture),+);
    };
    ($rule:ident: $($capture:ident),+) => {
        captures!([cfg(test)] $rule: $($capture),+);
    };
    ($attribute:tt $rule:ident: $($capture:ident),+) => {
        mod $rule {
            $(
                #[test]
                #$attribute
                fn $capture() {
                    let capture = stringify!($capture);
                    let _turn = $crate::Turn::wait(capture);
                    if $crate::is_possible(capture) {
                        super::$rule(capture);
                    }
                }
            )+
        }
    };
}

/// The kernel keeps kprobe programs from a processor where another BPF program of that kind
/// runs or a map is written by system call. So while nothing but kprobes captures, no other
/// agent of these tests runs beside.
/// (`bpf_prog_active`) <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c>
static TURNS: RwLock<()> = RwLock::new(());

/// A test's turn.
pub enum Turn {
    Alone(RwLockWriteGuard<'static, ()>),
    Beside(RwLockReadGuard<'static, ()>),
}

impl Turn {
    /// Waits until an agent that captures so may run.
    pub fn wait(capture: &str) -> Self {
        // A test that failed is no reason for another to.
        match capture {
            "kprobe" => Self::Alone(TURNS.write().unwrap_or_else(PoisonError::into_inner)),
            _ => Self::Beside(TURNS.read().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

/// Whether this machine can capture so; if not, says why not.
pub fn is_possible(capture: &str) -> bool {
    if !support::is_root() {
        support::skip("needs root");
        return false;
    }
    if capture == "kprobe" && !support::has_kprobes() {
        support::skip_earned("this kernel has no kprobes (CONFIG_KPROBES)");
        return false;
    }
    true
}
