//! Reads one option's value; an error names the flag, the variable or the key that it came from.

use std::{ffi::OsStr, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::{
    Arg, Command, ValueEnum,
    builder::{PossibleValue, TypedValueParser},
    error::ErrorKind,
    parser::ValueSource,
};
use log::LevelFilter;

use super::duration;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const PAGE: u32 = 4_096;
const RING_BYTES_MAX: u32 = 1 << 30;
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A clap value parser whose errors read `--exclude 10.0.0.0/33: prefix length is more
/// than 32`, or `NGRAPH_EXCLUDE=10.0.0.0/33: …`, or `exclude = 10.0.0.0/33: …` of a file's:
/// clap's own name the flag even where it was the environment that was wrong.
#[derive(Clone)]
pub(crate) struct Value<T> {
    parse: fn(&str) -> Result<T, String>,
    words: Vec<PossibleValue>,
}

/// Values of any form that `parse` takes.
pub(crate) fn text<T>(parse: fn(&str) -> Result<T, String>) -> Value<T> {
    Value { parse, words: Vec::new() }
}

/// One word of an enum's, in upper or lower case.
pub(crate) fn choice<T: ValueEnum>() -> Value<T> {
    choice_of(T::value_variants())
}

/// The same with some of its words.
pub(crate) fn choice_of<T: ValueEnum>(some: &[T]) -> Value<T> {
    let words = some.iter().filter_map(ValueEnum::to_possible_value).collect();
    Value { parse: parse_choice, words }
}

/// One of log's levels, or off.
pub(crate) fn level() -> Value<LevelFilter> {
    Value { parse: parse_level, words: LEVELS.map(PossibleValue::from).into() }
}

/// A boolean, as it stands in an environment variable.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" | "" => Ok(false),
        _ => Err("takes 1, true, yes or on; 0, false, no, off or nothing".to_owned()),
    }
}

/// `--interval`.
pub(crate) fn interval(text: &str) -> Result<Duration, String> {
    seconds_within(text, 1..=HOUR, "")
}

/// `--snapshot-interval`: none is `auto`.
pub(crate) fn snapshot_interval(text: &str) -> Result<Option<Duration>, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    seconds_within(text, 1..=DAY, "auto, or ").map(Some)
}

/// `--edge-ttl`.
pub(crate) fn edge_ttl(text: &str) -> Result<Duration, String> {
    seconds_within(text, 1..=30 * DAY, "")
}

/// `--max-edges`.
pub(crate) fn max_edges(text: &str) -> Result<usize, String> {
    number_within(text, 1..=1_000_000)
}

/// `--queue`.
pub(crate) fn queue(text: &str) -> Result<usize, String> {
    number_within(text, 1..=10_000_000)
}

/// `--max-connections`: none is `auto`.
pub(crate) fn max_connections(text: &str) -> Result<Option<u32>, String> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    number_within(text, 1..=10_000_000).map(Some)
}

/// `--ring-bytes`: what the kernel takes as the size of a ring buffer.
pub(crate) fn ring_bytes(text: &str) -> Result<u32, String> {
    match number_within(text, PAGE..=RING_BYTES_MAX)? {
        bytes if bytes.is_power_of_two() => Ok(bytes),
        bytes => Err(format!(
            "not a power of two (the nearest are {} and {})",
            bytes.next_power_of_two() / 2,
            bytes.next_power_of_two()
        )),
    }
}

/// `--range`.
pub(crate) fn range(text: &str) -> Result<Duration, String> {
    seconds_within(text, 1..=366 * DAY, "")
}

/// `--timeout`.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    seconds_within(text, 1..=HOUR, "")
}

/// `--depth`.
pub(crate) fn depth(text: &str) -> Result<usize, String> {
    number_within(text, 1..=100)
}

/// `--min`.
pub(crate) fn least(text: &str) -> Result<u64, String> {
    number_within(text, 0..=u64::MAX)
}

/// `--prometheus`: without the last slash.
pub(crate) fn server(text: &str) -> Result<String, String> {
    match text.trim().split_once("://") {
        Some(("http", rest)) if !rest.trim_matches('/').is_empty() => {
            Ok(text.trim().trim_end_matches('/').to_owned())
        }
        Some(("https", _)) => Err("ngraph has no TLS (give it a tunnel's http://, or what curl \
                                   gets of /federate as a file: docs/graph.md)"
            .to_owned()),
        _ => Err("not a server such as http://prometheus:9090".to_owned()),
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Value<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<T, clap::Error> {
        let parsed = match value.to_str() {
            Some(text) => self.is_a_word(text).and_then(|()| (self.parse)(text)),
            None => Err("not UTF-8".to_owned()),
        };
        parsed.map_err(|error| {
            let given = given(arg, value, source);
            command.clone().error(ErrorKind::ValueValidation, format!("{given}: {error}"))
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        if self.words.is_empty() {
            return None;
        }
        Some(Box::new(self.words.iter().cloned()))
    }
}

impl<T> Value<T> {
    /// Refuses what is none of the words, where there are some.
    fn is_a_word(&self, text: &str) -> Result<(), String> {
        let names: Vec<_> = self.words.iter().map(PossibleValue::get_name).collect();
        if names.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(());
        }
        Err(format!("takes {}", names.join(", ")))
    }
}

/// The option and its value, as the user wrote them.
fn given(arg: Option<&Arg>, value: &OsStr, source: ValueSource) -> String {
    // Escaped: it goes to a terminal, and may have come from anywhere.
    let value = value.to_string_lossy();
    let value = value.escape_debug();
    match (source, arg.and_then(Arg::get_env), arg.and_then(Arg::get_long)) {
        (ValueSource::EnvVariable, Some(name), _) => format!("{}={value}", name.display()),
        // Those that are compiled in are right.
        (ValueSource::DefaultValue, _, Some(long)) => format!("{long} = {value}"),
        (_, _, Some(long)) if value.clone().next().is_none() => format!("--{long} ''"),
        (_, _, Some(long)) => format!("--{long} {value}"),
        _ => value.to_string(),
    }
}

fn parse_choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true)
}

fn parse_level(text: &str) -> Result<LevelFilter, String> {
    LevelFilter::from_str(text).map_err(|err| err.to_string())
}

fn number_within<T>(text: &str, bounds: RangeInclusive<T>) -> Result<T, String>
where
    T: Copy + FromStr + PartialOrd + std::fmt::Display,
{
    text.trim()
        .parse()
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| format!("takes a whole number from {} to {}", bounds.start(), bounds.end()))
}

/// `other` is what is taken beside a duration, for the error to tell.
fn seconds_within(
    text: &str,
    bounds: RangeInclusive<u64>,
    other: &str,
) -> Result<Duration, String> {
    let (shortest, longest) = bounds.into_inner();
    let (shortest, longest) = (Duration::from_secs(shortest), Duration::from_secs(longest));
    duration::parse_within(text, shortest..=longest).map_err(|problem| {
        let (from, to) = (duration::format(shortest), duration::format(longest));
        format!("{problem} (takes {other}{from} to {to})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_what_people_write_in_environments() {
        for text in ["1", "true", "TRUE", "Yes", "on", " on "] {
            assert_eq!(boolean(text), Ok(true), "{text:?}");
        }
        for text in ["0", "false", "False", "NO", "oFF", ""] {
            assert_eq!(boolean(text), Ok(false), "{text:?}");
        }
        for text in ["2", "y", "n", "t", "enabled", "truee", "💥"] {
            assert!(boolean(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_ring_is_a_power_of_two_of_at_least_a_page() {
        for text in ["4096", "1048576", "1073741824"] {
            assert_eq!(ring_bytes(text).map(|bytes| bytes.to_string()), Ok(text.to_owned()));
        }
        let out_of_bounds = Err("takes a whole number from 4096 to 1073741824".to_owned());
        for text in ["", "0", "2048", "2147483648", "99999999999", "-4096", "1MiB", "4096.0"] {
            assert_eq!(ring_bytes(text), out_of_bounds, "{text:?}");
        }
        let uneven = Err("not a power of two (the nearest are 4096 and 8192)".to_owned());
        assert_eq!(ring_bytes("5000"), uneven);
    }

    #[test]
    fn connections_are_one_to_ten_million_or_by_memory() {
        assert_eq!(max_connections("auto"), Ok(None));
        assert_eq!(max_connections("10000000"), Ok(Some(10_000_000)));
        for text in ["0", "10000001", "-1", "many", ""] {
            assert!(max_connections(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn edges_are_one_to_a_million() {
        assert_eq!(max_edges("1"), Ok(1));
        assert_eq!(max_edges("1000000"), Ok(1_000_000));
        for text in ["0", "1000001", "-1", "ten", "1e6", ""] {
            assert!(max_edges(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_levels_are_logs() {
        let levels: Vec<_> = LEVELS.into_iter().flat_map(parse_level).collect();
        assert_eq!(levels, LevelFilter::iter().collect::<Vec<_>>());
    }
}
