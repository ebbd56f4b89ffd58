//! Values of [`crate::names::CALLED`]: what the raw tracepoint's programs leave to the control
//! group's, of the sockets that are marked to call it.

/// Nothing: it isn't attached.
pub const NOTHING: u32 = 0;
/// What it has told: it is being attached, proven or detached, and may run for a change or not.
pub const WHAT_IT_TOLD: u32 = 1;
/// Everything.
pub const ALL: u32 = 2;
