//! Properties: what holds for any sequence of events, any label, any option's value.
//!
//! Cases are the same in every run. `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=7` looks
//! further. A case that fails is kept beside this folder, in `proptest-regressions`, and is
//! tried first from then on: it goes in with its fix.

mod graph;
mod live;
mod picture;
mod text;
mod values;
mod world;

#[path = "../support/metrics.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "other tests use the rest")]
mod metrics;

use proptest::{prelude::ProptestConfig, test_runner::RngSeed};

/// As many cases as take a few seconds on one core without optimisation.
fn config(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}
