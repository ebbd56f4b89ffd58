//! Reads and writes durations as people type them: `30`, `30s`, `1m30s`, `7d`.

use std::{ops::RangeInclusive, time::Duration};

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration that must lie within `bounds`.
///
/// # Errors
/// Where it doesn't, or is none: what is wrong with it, for a user to read.
pub fn parse_within(
    text: &str,
    bounds: RangeInclusive<Duration>,
) -> Result<Duration, &'static str> {
    match parse(text) {
        None => Err("not a duration such as 30, 30s, 5m or 1h30m"),
        Some(duration) if duration < *bounds.start() => Err("too short"),
        Some(duration) if duration > *bounds.end() => Err("too long"),
        Some(duration) => Ok(duration),
    }
}

/// Reads a number of seconds, or numbers each with a unit of d, h, m or s. What is too big
/// for a `u64` is the longest duration, so that the caller can call it too long.
///
/// Not humantime's grammar: it takes `1M` for a month and `1.5y` for a duration.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if is_digits(rest) {
        return Some(Duration::from_secs(number(rest)));
    }
    let mut seconds = 0u64;
    while !rest.is_empty() {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let unit = after.chars().next()?;
        let (_, unit_seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        if !is_digits(digits) {
            return None;
        }
        seconds = seconds.saturating_add(number(digits).saturating_mul(unit_seconds));
        rest = after[unit.len_utf8()..].trim_start();
    }
    (!text.trim().is_empty()).then_some(Duration::from_secs(seconds))
}

/// Writes whole seconds the way [`parse`] reads them.
pub fn format(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    let mut text = String::new();
    for (name, unit_seconds) in UNITS {
        if rest >= unit_seconds {
            text += &format!("{}{name}", rest / unit_seconds);
            rest %= unit_seconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(digits: &str) -> u64 {
    digits.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seconds_and_units_add_up() {
        for (text, seconds) in [
            ("0", 0),
            ("30", 30),
            ("030", 30),
            ("30s", 30),
            ("1m", 60),
            ("1m30s", 90),
            (" 1m 30s ", 90),
            ("1h", 3_600),
            ("90m", 5_400),
            ("7d", 604_800),
            ("1d2h3m4s", 93_784),
            ("30s1m", 90),
            ("99999999999999999999", u64::MAX),
            ("99999999999999999999d1s", u64::MAX),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text:?}");
        }
    }

    #[test]
    fn whatever_else_is_no_duration() {
        for text in [
            "", " ", "s", "-1", "+1", "1.5s", "1e3", "1 000", "1M", "1y", "5 m", "1m30", "30S",
            "1sec", "1ms", "m1", "1s,", "٣s", "1µs", "0x10", "inf", "NaN", "1m\0", "💥", "1💥",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn any_four_characters_are_read_without_a_panic() {
        let alphabet = ['0', '9', 's', 'd', ' ', '-', '.', 'µ', '💥', '\u{301}', '\0'];
        for a in alphabet {
            for b in alphabet {
                for c in alphabet {
                    for d in alphabet {
                        let _ = parse(&String::from_iter([a, b, c, d]));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for seconds in [0, 1, 59, 60, 61, 3_599, 3_600, 86_399, 86_400, 93_784, u64::MAX] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse(&format(duration)), Some(duration), "{}", format(duration));
        }
        assert_eq!(format(Duration::from_secs(93_784)), "1d2h3m4s");
    }

    #[test]
    fn bounds_are_taken_and_beyond_is_refused() {
        let bounds = || Duration::from_secs(1)..=Duration::from_secs(3_600);
        assert_eq!(parse_within("1", bounds()), Ok(Duration::from_secs(1)));
        assert_eq!(parse_within("1h", bounds()), Ok(Duration::from_secs(3_600)));
        assert_eq!(parse_within("0", bounds()), Err("too short"));
        assert_eq!(parse_within("1h1s", bounds()), Err("too long"));
        assert!(parse_within("x", bounds()).is_err());
    }
}
