//! What `top` shows of one moment, from the agent's document. Pure, and clean of what would break a
//! screen: whoever owns an address says what its name is.

use std::{sync::Arc, time::Duration};

use crate::export::json::{Document, Edge};

/// The edges and figures of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// When, by any clock that goes on.
    pub at: Duration,
    /// The edges, each once.
    pub edges: Vec<(Key, Counts)>,
    /// How it goes, in a line.
    pub health: String,
    /// Whether that is one to worry about.
    pub is_troubled: bool,
}

/// What makes an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Whether this host was connected to, and did not connect.
    pub is_inbound: bool,
    /// Where connections come from.
    pub source: Arc<str>,
    /// Where they go to.
    pub destination: Arc<str>,
    /// The edge's labels.
    pub labels: Arc<str>,
}

/// The counts of an edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The peer's name; empty: none.
    pub name: Arc<str>,
    /// Connections open now.
    pub open: u64,
    /// Connections opened so far.
    pub opened: u64,
    /// Attempts failed so far.
    pub failed: u64,
    /// How long it has been there.
    pub age: Duration,
}

impl Sample {
    /// What a document shows that came at a time.
    pub fn of(document: &Document, at: Duration) -> Self {
        let edges = document.edges.iter().map(|edge| (key(edge), counts(edge))).collect();
        let health = &document.health;
        let attached = document.hooks.values().filter(|attached| **attached).count();
        let (hooks, lost) = (document.hooks.len(), health.lost);
        let line = format!(
            "open {} in, {} out | opened {}, kernel {} | lost {lost} | hooks {attached}/{hooks}",
            health.open_input, health.open_output, health.captured, health.kernel
        );
        Self { at, edges, health: line, is_troubled: lost > 0 || attached == 0 }
    }
}

fn key(edge: &Edge) -> Key {
    let labels: Vec<String> =
        edge.labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
    Key {
        is_inbound: edge.direction == "input",
        source: clean(&edge.src_ip),
        destination: clean(&edge.dest_ip),
        labels: clean(&labels.join(" ")),
    }
}

fn counts(edge: &Edge) -> Counts {
    Counts {
        name: clean(&edge.peer_hostname),
        open: edge.open,
        opened: edge.opened,
        failed: edge.failures.values().sum(),
        age: Duration::try_from_secs_f64(edge.age_seconds).unwrap_or_default(),
    }
}

/// The longest text that is taken in.
const MOST: usize = 256;

/// Text without what moves the cursor, turns the direction or takes no place.
fn clean(text: &str) -> Arc<str> {
    let is_format = |it: char| {
        matches!(it, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    let shown = |it: char| if it.is_control() || is_format(it) { '\u{fffd}' } else { it };
    text.chars().take(MOST).map(shown).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_screen_is_replaced() {
        for hostile in ["\x1b[2J", "a\nb", "\u{9b}1m", "\u{202e}moc", "a\u{200b}b", "\0", "\u{7f}"]
        {
            let text = clean(hostile);
            assert!(text.contains('\u{fffd}'), "{hostile:?}");
            assert!(!text.chars().any(char::is_control), "{hostile:?}");
        }
        assert_eq!(
            &*clean("db-1.example 10.0.0.1 bücher 日本"),
            "db-1.example 10.0.0.1 bücher 日本"
        );
        assert_eq!(clean(&"x".repeat(10_000)).len(), MOST);
    }

    #[test]
    fn an_edge_has_the_sum_of_its_failures() {
        let edge = Edge {
            direction: "output".into(),
            failures: [("refused".to_owned(), 2), ("timeout".to_owned(), 3)].into(),
            labels: [("port".to_owned(), "443".to_owned())].into(),
            age_seconds: f64::NAN,
            ..Edge::default()
        };
        let document = Document { edges: vec![edge], ..Document::default() };
        let sample = Sample::of(&document, Duration::ZERO);
        let (key, counts) = &sample.edges[0];
        assert_eq!((key.is_inbound, &*key.labels), (false, "port=443"));
        assert_eq!((counts.failed, counts.age), (5, Duration::ZERO));
        assert!(sample.is_troubled, "no hook is attached: {}", sample.health);
    }
}
