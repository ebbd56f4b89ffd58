//! Reads a metrics file back, strictly.

use std::collections::{BTreeMap, BTreeSet};

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(pub Vec<Sample>);

impl Metrics {
    /// Parses a file; panics on a line that is no sample and no comment, on a sample that
    /// isn't of the family whose `# TYPE` came last, on a family or series that is there
    /// twice, and on a file that doesn't end in a newline.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the file ends in the middle of a line:\n{text}");
        let (mut families, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut samples = Vec::new();
        let mut family = "";
        // Not lines(), which takes a carriage return for a part of the line's end.
        for line in text.split_terminator('\n') {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                if words.next() == Some("TYPE") {
                    family = words.next().expect("the family's name");
                    assert!(families.insert(family), "two families: {family}");
                }
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("line: {line}"));
            assert!(seen.insert(series), "twice: {series}");
            let value = value.parse().unwrap_or_else(|_| panic!("line: {line}"));
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closing brace")),
                None => (series, ""),
            };
            // node_exporter's own file has summaries beside ours.
            let parts = ["", "_sum", "_count", "_bucket"];
            let is_part = name.strip_prefix(family).is_some_and(|rest| parts.contains(&rest));
            assert!(is_part, "not of the family {family}: {line}");
            let labels = parse_labels(labels);
            samples.push(Sample { name: name.to_owned(), labels, value });
        }
        Self(samples)
    }

    /// The samples of a family that have these labels.
    pub fn with<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().filter(move |sample| {
            let has = |&(label, value): &(&str, &str)| {
                sample.labels.get(label).is_some_and(|found| found == value)
            };
            sample.name == name && labels.iter().all(has)
        })
    }

    /// Their sum; 0 where there are none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.with(name, labels).map(|sample| sample.value).sum::<f64>() as u64
    }

    /// Connections opened in a direction.
    pub fn opened(&self, direction: &str) -> u64 {
        self.sum("ngraph_connections_opened_total", &[("direction", direction)])
    }

    /// The kernel's own count of a direction, and what was captured.
    pub fn audited(&self, direction: &str) -> (u64, u64) {
        let sum = |name| self.sum(name, &[("direction", direction)]);
        (sum("ngraph_kernel_opens_total"), sum("ngraph_captured_opens_total"))
    }

    /// Whether both are `made`, and besides those that the kernel counted and dropped.
    pub fn is_audited(&self, direction: &str, made: u64) -> bool {
        let spares = match direction {
            "input" => self.sum("ngraph_events_total", &[("kind", "spare")]),
            _ => 0,
        };
        self.audited(direction) == (made + spares, made + spares)
    }

    /// Whether the kernel counts in a namespace and either direction what was captured and, of
    /// attempts, what is on its way.
    pub fn is_explained(&self, netns: &str) -> bool {
        let on_their_way = self.sum("ngraph_opens_in_flight", &[]);
        [("input", 0), ("output", on_their_way)].into_iter().all(|(direction, most)| {
            let labels = [("netns", netns), ("direction", direction)];
            let families = ["ngraph_kernel_opens_total", "ngraph_captured_opens_total"];
            let is_audited = families.iter().all(|family| self.with(family, &labels).count() == 1);
            let [kernel, captured] = families.map(|family| self.sum(family, &labels));
            is_audited && kernel.checked_sub(captured).is_some_and(|missing| missing <= most)
        })
    }

    /// Whether a hook is attached.
    pub fn has_hook(&self, hook: &str) -> bool {
        self.sum("ngraph_hook_attached", &[("hook", hook)]) == 1
    }
}

fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (label, behind) = rest.split_once("=\"").expect("a label's value in quotes");
        let mut value = String::new();
        let mut chars = behind.char_indices();
        let end = loop {
            match chars.next().expect("a closing quote") {
                (at, '"') => break at,
                (_, '\\') => match chars.next().expect("an escaped character").1 {
                    'n' => value.push('\n'),
                    other @ ('\\' | '"') => value.push(other),
                    other => panic!("an escape that the format doesn't have: {other:?}"),
                },
                (_, other) => value.push(other),
            }
        };
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(!label.is_empty() && label.bytes().all(is_plain), "label: {label:?}");
        assert_eq!(labels.insert(label.to_owned(), value), None, "label twice: {label}");
        rest = &behind[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(',').expect("a comma between labels");
            assert!(!rest.is_empty(), "a comma behind the last label");
        }
    }
    labels
}
