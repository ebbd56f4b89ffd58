//! What the kernel side sees, on whatever kernel this runs: real sockets, each test in a
//! network namespace of its own, once for each way of capturing. Needs root. Built static,
//! this one file is run in the guests of `cargo xtask vm`.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod counts;
mod direction;
mod loss;
mod namespaces;
mod owner;
mod protocols;
mod start;
#[path = "../support/mod.rs"]
mod support;

/// Makes a test of `$rule(capture)` for each way of capturing named.
#[macro_export]
macro_rules! captures {
    ($rule:ident: $($capture:ident),+) => {
        mod $rule {
            $(
                #[test]
                fn $capture() {
                    let capture = stringify!($capture);
                    if $crate::is_possible(capture) {
                        super::$rule(capture);
                    }
                }
            )+
        }
    };
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
