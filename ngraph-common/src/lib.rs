//! What ngraph's kernel side and user side agree on: the records that cross the ring
//! buffer, the counters, the sizes and the names. No std, no text, no idea of an edge.
#![no_std]

pub mod called;
pub mod count;
pub mod event;
pub mod held;
pub mod limits;
pub mod names;
pub mod overflow;
pub mod sock_common;
