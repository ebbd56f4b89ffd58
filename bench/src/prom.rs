//! The few figures that are read from the agent's file.

use std::{fs, path::Path};

/// The samples of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(String);

impl Samples {
    /// Reads a file; one that isn't there yet has no samples.
    pub(crate) fn read(file: &Path) -> Self {
        Self(fs::read_to_string(file).unwrap_or_default())
    }

    /// The file as it is.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The sum of a family's samples that have `label`, which may be empty; none: there is no
    /// such sample.
    pub(crate) fn sum(&self, family: &str, label: &str) -> Option<f64> {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(family)?;
            let is_it = rest.starts_with(['{', ' ']) && rest.contains(label);
            is_it.then(|| rest.rsplit(' ').next()?.parse::<f64>().ok()).flatten()
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }

    /// When it was made, in seconds since 1970.
    pub(crate) fn written_at(&self) -> f64 {
        self.sum("ngraph_last_write_timestamp_seconds", "").unwrap_or(0.0)
    }

    /// Inbound connections that the agent saw open.
    pub(crate) fn opened_inbound(&self) -> f64 {
        self.sum("ngraph_connections_opened_total", "direction=\"input\"").unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_of_the_family_and_the_label_and_of_no_longer_name() {
        let text = "# TYPE a counter\na{direction=\"input\",x=\"1\"} 2\na{direction=\"input\"} 3\n\
                    a{direction=\"output\"} 50\na_total 700\nb 1.5e3\n";
        let samples = Samples(text.to_owned());
        assert_eq!(samples.sum("a", "direction=\"input\""), Some(5.0));
        assert_eq!(samples.sum("b", ""), Some(1500.0));
        assert_eq!(samples.sum("c", ""), None);
    }
}
