//! How long connects took: counts in steps of 3 %, so that hours cost no more than seconds.

use std::time::Duration;

/// Steps in each power of two.
const STEPS: u64 = 32;

/// Counts of durations.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    counts: Vec<u64>,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; step(u64::MAX) + 1] }
    }
}

impl Latency {
    /// Counts one.
    pub(crate) fn add(&mut self, took: Duration) {
        self.counts[step(took.as_nanos() as u64)] += 1;
    }

    /// Counts those of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// The duration in microseconds that `share` of all don't exceed; none: nothing was counted.
    pub(crate) fn quantile_us(&self, share: f64) -> Option<f64> {
        let all: u64 = self.counts.iter().sum();
        let rank = (all as f64 * share).ceil() as u64;
        let mut seen = 0;
        let at = self.counts.iter().position(|count| {
            seen += count;
            seen > 0 && seen >= rank
        })?;
        Some(value(at) / 1e3)
    }
}

/// Values below 2 × STEPS have a step of their own; from there on each power of two has STEPS.
fn step(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(STEPS.ilog2() + 1);
    (u64::from(shift) * STEPS + (ns >> shift)) as usize
}

/// The middle of a step, in nanoseconds.
fn value(step: usize) -> f64 {
    let step = step as u64;
    let shift = (step / STEPS).saturating_sub(1);
    let low = (step - shift * STEPS) as f64;
    (low + 0.5) * 2_f64.powi(shift as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_three_percent_of_its_step() {
        for ns in (0..200).chain([999, 17_350, 1 << 20, 123_456_789, u64::MAX / 3]) {
            let near = value(step(ns));
            assert!((near - ns as f64).abs() <= 0.5 + ns as f64 * 0.032, "{ns}: {near}");
        }
    }

    #[test]
    fn quantiles_are_of_all_that_was_counted() {
        let (mut some, mut more) = (Latency::default(), Latency::default());
        assert_eq!(some.quantile_us(0.5), None);
        (0..99).for_each(|_| some.add(Duration::from_micros(20)));
        more.add(Duration::from_micros(900));
        some.merge(&more);
        let near = |share, us: f64| (some.quantile_us(share).unwrap() / us - 1.0).abs() < 0.04;
        assert!(near(0.5, 20.0) && near(0.99, 20.0) && near(1.0, 900.0), "{some:?}");
    }
}
