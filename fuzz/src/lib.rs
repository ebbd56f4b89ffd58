//! What the fuzzer calls: the functions that the agent's own tests call too.

#[path = "../../ngraph/tests/inputs/targets/mod.rs"]
pub mod targets;
