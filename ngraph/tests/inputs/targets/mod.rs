//! What is done with bad input, one function a target: it panics where a rule is broken.
//!
//! The fuzzer (fuzz/) and the tests beside this folder call the same functions.
#![allow(missing_docs, unreachable_pub, reason = "the fuzzer's crate takes this folder in")]

pub mod btf;
pub mod config;
pub mod dns;
pub mod events;
pub mod graph;
pub mod hosts;
pub mod labels;
pub mod nat;
pub mod places;
pub mod proc;
pub mod values;

#[path = "../../support/metrics.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod metrics;

/// The rule for what a label shows as a host name: nothing in it needs an escape.
fn assert_is_host_name(name: &str) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!(!name.is_empty() && name.len() <= 253, "length: {name:?}");
    assert!(name.bytes().all(is_plain), "characters: {name:?}");
    assert!(!name.ends_with('.') && !name.contains(".."), "dots: {name:?}");
    assert_eq!(name, name.to_ascii_lowercase(), "upper case");
}
