//! ngraph: tells who talks to whom. ARCHITECTURE.md is the map.

pub mod agent;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod export;
pub mod fence;
pub mod flow;
pub mod graph;
pub mod health;
pub mod hooks;
pub mod kernel;
pub mod live;
pub mod logging;
pub mod names;
pub mod observe;
pub mod pages;
pub mod pulse;
pub mod snapshot;
