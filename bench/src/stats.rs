//! Medians, spreads, exponents. Pure.

/// The middle value; of two middle values their mean. None: there are no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// The smallest and the greatest value.
pub(crate) fn spread(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

/// The exponent by which cost grows with load: the slope of the straight line through the
/// logarithms, by least squares. None: fewer than two loads with a cost.
pub(crate) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .filter(|(load, cost)| *load > 0.0 && *cost > 0.0)
        .map(|(load, cost)| (load.ln(), cost.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| logs.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|log| log.0), mean(|log| log.1));
    let covariance: f64 = logs.iter().map(|log| (log.0 - x) * (log.1 - y)).sum();
    let variance: f64 = logs.iter().map(|log| (log.0 - x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_an_outlier_moves_it_not() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[900.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(spread(&[2.0, -1.0, 7.0]), Some((-1.0, 7.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn the_exponent_of_a_power_is_the_power() {
        for power in [0.0, 1.0, 1.5, 2.0] {
            let points: Vec<_> =
                [1.0, 2.0, 4.0, 8.0_f64].map(|load| (load, 3.0 * load.powf(power))).into();
            assert!((exponent(&points).unwrap() - power).abs() < 1e-9, "{power}");
        }
    }

    #[test]
    fn one_load_has_no_exponent_and_a_cost_of_nothing_counts_for_none() {
        assert_eq!(exponent(&[(1.0, 5.0)]), None);
        assert_eq!(exponent(&[(1.0, 5.0), (1.0, 6.0)]), None);
        assert_eq!(exponent(&[(1.0, 5.0), (2.0, 0.0)]), None);
    }
}
