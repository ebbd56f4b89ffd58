//! What the agent writes, and where to.

pub mod file;
pub mod json;
pub(crate) mod lock;
pub mod metrics;
pub mod text;

pub use metrics::prometheus;
