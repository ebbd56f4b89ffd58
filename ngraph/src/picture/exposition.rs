//! Reads Prometheus' text format, one line at a time: an agent's file, node_exporter's whole
//! output, what a Prometheus federates. Families that aren't the agent's are only looked over.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::borrow::Cow;

use super::readable::readable;

/// A line that has a sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The family's name.
    pub name: &'a str,
    /// What stands between the braces, in the file's own escapes.
    labels: &'a str,
    /// The value.
    pub value: f64,
}

/// Reads a line without its end. An empty one and a comment have no sample.
///
/// # Errors
/// Where it is neither: what is wrong with it.
pub fn sample(line: &str) -> Result<Option<Sample<'_>>, String> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(['{', ' ', '\t']).ok_or("a name without a value")?;
    let (name, rest) = line.split_at(end);
    // A name in quotes is within the braces, and none of the agent's.
    if !name.bytes().all(is_of_a_name) {
        return Err(format!("{} is not the name of a metric", quoted(name)));
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_at(closing_brace(rest)?),
        None => ("", rest),
    };
    // A brace before it, a comment or nothing behind it, and a time that isn't needed between.
    let rest = rest.strip_prefix('}').unwrap_or(rest);
    let mut words = rest.split('#').next().unwrap_or_default().split_ascii_whitespace();
    let value = words.next().ok_or("no value")?;
    let value = value.parse().map_err(|_| format!("value {} is not a number", quoted(value)))?;
    if let Some(time) = words.next()
        && time.parse::<f64>().is_err()
    {
        return Err(format!("time {} is not a number", quoted(time)));
    }
    match words.next() {
        Some(word) => Err(format!("{} behind value and time", quoted(word))),
        None => Ok(Some(Sample { name, labels, value })),
    }
}

impl<'a> Sample<'a> {
    /// Gives each label to `take`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn labels(&self, mut take: impl FnMut(&'a str, Cow<'a, str>)) -> Result<(), String> {
        let mut rest = self.labels.trim_start();
        while !rest.is_empty() {
            let (name, behind) = rest.split_once('=').ok_or("a label without a value")?;
            let name = name.trim();
            if name.is_empty() || !name.bytes().all(is_of_a_name) {
                return Err(format!("{} is not the name of a label", quoted(name)));
            }
            let quoted = behind.trim_start().strip_prefix('"');
            let quoted = quoted.ok_or_else(|| format!("the value of {name} is not in quotes"))?;
            let (value, behind) = value(quoted).map_err(|err| format!("{name}: {err}"))?;
            take(name, value);
            rest = behind.trim_start();
            if !rest.is_empty() {
                rest = rest.strip_prefix(',').ok_or("no comma between labels")?.trim_start();
            }
        }
        Ok(())
    }
}

/// What a line has there, as an error shows it: a line may be of any length and have anything.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", readable(text))
}

/// Where the brace is that ends the labels: one in quotes is text.
fn closing_brace(text: &str) -> Result<usize, &'static str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b'}' if !is_quoted => return Ok(at),
            _ => {}
        }
    }
    Err("no brace behind the labels")
}

/// A value up to its closing quote, and what is behind that.
fn value(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    let special = text.find(['"', '\\']).ok_or("no closing quote")?;
    if let (value, Some(behind)) = (&text[..special], text[special..].strip_prefix('"')) {
        return Ok((Cow::Borrowed(value), behind));
    }
    let mut value = text[..special].to_owned();
    let mut rest = text[special..].char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '"' => return Ok((Cow::Owned(value), &text[special + at + 1..])),
            '\\' => value.push(match rest.next() {
                Some((_, 'n')) => '\n',
                Some((_, other @ ('\\' | '"'))) => other,
                _ => return Err("an escape that the format doesn't have".to_owned()),
            }),
            other => value.push(other),
        }
    }
    Err("no closing quote".to_owned())
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_line_is_read() {
        let none: &[(&str, &str)] = &[];
        for (line, name, labels, value) in [
            ("up 1", "up", none, 1.0),
            ("up{} 1e+06 1700000000000", "up", none, 1e6),
            ("a{b=\"c\"} 2", "a", &[("b", "c")], 2.0),
            ("a{ b = \"c\" , d=\"\", } 2\r", "a", &[("b", "c"), ("d", "")], 2.0),
            (
                "a{b=\"}\",c=\"\\\\\\\"\\n{\"}\t+Inf",
                "a",
                &[("b", "}"), ("c", "\\\"\n{")],
                f64::INFINITY,
            ),
            ("a_total{b=\"c\"} 3 # {trace=\"x\"} 1", "a_total", &[("b", "c")], 3.0),
        ] {
            let sample = sample(line).unwrap().unwrap();
            assert_eq!((sample.name, sample.value), (name, value), "{line}");
            let read = labels_of(&sample).unwrap();
            let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
            assert_eq!(read, labels, "{line}");
        }
    }

    #[test]
    fn comments_and_empty_lines_have_no_sample() {
        for line in ["", " ", "# HELP a b", "#", "# EOF"] {
            assert_eq!(sample(line), Ok(None));
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (line, error) in [
            ("hello", "a name without a value"),
            ("a{b=\"c\" 1", "no brace behind the labels"),
            ("a{b=\"c} 1", "no brace behind the labels"),
            ("a{b=\"c\"}", "no value"),
            ("a b", "value \"b\" is not a number"),
            ("a 1 b", "time \"b\" is not a number"),
            ("a 1 2 3", "\"3\" behind value and time"),
            ("<p> 1", "\"<p>\" is not the name of a metric"),
        ] {
            assert_eq!(sample(line), Err(error.to_owned()), "{line}");
        }
        for (line, error) in [
            ("a{b} 1", "a label without a value"),
            ("a{b=c} 1", "the value of b is not in quotes"),
            ("a{b=\"c\\d\"} 1", "b: an escape that the format doesn't have"),
            ("a{b=\"c\"d=\"e\"} 1", "no comma between labels"),
            ("a{=\"c\"} 1", "\"\" is not the name of a label"),
        ] {
            let sample = sample(line).unwrap().unwrap();
            assert_eq!(labels_of(&sample), Err(error.to_owned()), "{line}");
        }
    }

    fn labels_of(sample: &Sample<'_>) -> Result<Vec<(String, String)>, String> {
        let mut labels = Vec::new();
        sample.labels(|name, value| labels.push((name.to_owned(), value.into_owned())))?;
        Ok(labels)
    }
}
