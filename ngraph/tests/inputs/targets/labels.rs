//! Text as names and values of labels: each a line, or the bytes between two zeros.

use ngraph::export::text::{Kind, Text};

use super::metrics::Metrics;

pub fn run(bytes: &[u8]) {
    let values: Vec<_> = bytes.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    let mut text = Text::default();
    let mut family = text.family("a_total", Kind::Counter, "Values by number.");
    for (i, value) in values.iter().enumerate() {
        family.sample(&[("i", &i), ("value", value), ("last", &"")], i);
    }
    let metrics = Metrics::parse(&text.finish());
    assert_eq!(metrics.0.len(), values.len());
    for (i, (sample, value)) in metrics.0.iter().zip(&values).enumerate() {
        let i = i.to_string();
        let labels = [("i", i.as_str()), ("last", ""), ("value", value)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(sample.labels, labels.into());
    }
}
