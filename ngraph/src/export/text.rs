//! Prometheus' text format 0.0.4, written by hand: the libraries for it write OpenMetrics,
//! which node_exporter reads as something else, or want live registries.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::fmt::{Display, Write as _};

/// What a family's values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rises, and starts again at zero with the agent.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Neither is promised.
    Untyped,
}

/// A text that is being written, family after family.
#[derive(Debug, Default)]
pub struct Text(String);

/// A family that is being written.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
    help: &'static str,
    kind: Kind,
    is_begun: bool,
}

impl Text {
    /// A family whose samples follow. Without a sample it isn't written.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        Family { text: &mut self.0, name, help, kind, is_begun: false }
    }

    /// A family of one sample without labels.
    pub fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        value: impl Display,
    ) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Writes a sample.
    pub fn sample(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.sample_of(labels.iter().copied(), value);
    }

    /// Writes a sample whose labels are no array.
    pub fn sample_of<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a dyn Display)>,
        value: impl Display,
    ) {
        if !self.is_begun {
            self.begin();
        }
        self.text.push_str(self.name);
        let mut is_labelled = false;
        for (label, value) in labels {
            self.text.push(if is_labelled { ',' } else { '{' });
            is_labelled = true;
            self.text.push_str(label);
            self.text.push_str("=\"");
            let _ = write!(Escaped(self.text), "{value}");
            self.text.push('"');
        }
        if is_labelled {
            self.text.push('}');
        }
        // Writing to a String can't fail.
        let _ = writeln!(self.text, " {value}");
    }

    fn begin(&mut self) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Untyped => "untyped",
        };
        let Self { text, name, help, .. } = self;
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        self.is_begun = true;
    }
}

/// Escapes what is written through it as a label's value.
struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        for character in part.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_its_help_its_type_and_its_samples() {
        let mut text = Text::default();
        let mut family = text.family("a_total", Kind::Counter, "Things.");
        family.sample(&[("x", &"1"), ("y", &2)], 3);
        family.sample(&[("x", &"2"), ("y", &2)], 4);
        text.single("b", Kind::Gauge, "Other things.", 0.5);
        let expected = "# HELP a_total Things.\n# TYPE a_total counter\n\
            a_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\n\
            # HELP b Other things.\n# TYPE b gauge\nb 0.5\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn a_family_without_a_sample_is_not_written() {
        let mut text = Text::default();
        text.family("a", Kind::Untyped, "Nothing.");
        assert_eq!(text.finish(), "");
    }

    #[test]
    fn a_label_can_not_break_out_of_its_quotes() {
        let mut text = Text::default();
        text.family("a", Kind::Untyped, "H.").sample(&[("x", &"\"} 1\na{\\")], 1);
        let last = text.finish().lines().last().unwrap_or_default().to_owned();
        assert_eq!(last, r#"a{x="\"} 1\na{\\"} 1"#);
    }
}
