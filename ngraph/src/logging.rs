//! Writes log records to stderr, a line each, as text or as JSON.

use std::{fmt::Write as _, io::Write as _, time::SystemTime};

use clap::ValueEnum;
use log::{LevelFilter, Record};
use serde::Serialize;

use crate::clock;

// The variants' docs are what `--help` prints.
/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Time, level and message
    Text,
    /// One object a line, with ts, level, target and message
    Json,
}

/// Sends log records of `level` and above to stderr. The first call counts.
pub fn init(level: LevelFilter, format: LogFormat) {
    // It fails only where a logger is there already, which then does its job.
    let _ = env_logger::Builder::new()
        // The level can change; `log` asks for it before it asks here.
        .filter_level(LevelFilter::Trace)
        .format(move |out, record| {
            if !is_told(record, log::max_level()) {
                return Ok(());
            }
            let line = line(format, record, SystemTime::now());
            out.write_all(line.as_bytes())
        })
        .try_init();
    set_level(level);
}

/// Takes log records of `level` and above from here on.
pub fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

fn is_told(record: &Record<'_>, level: LevelFilter) -> bool {
    let of_library = ["hickory", "aya"].iter().any(|name| record.target().starts_with(name));
    record.level() <= if of_library { library_level(level) } else { level }
}

/// The resolver's level: it tells of every lookup and every failed one, which the agent
/// does itself where it matters.
fn library_level(level: LevelFilter) -> LevelFilter {
    match level {
        LevelFilter::Trace => LevelFilter::Trace,
        level => level.min(LevelFilter::Warn),
    }
}

/// The line of a record, with its end.
fn line(format: LogFormat, record: &Record<'_>, now: SystemTime) -> String {
    match format {
        LogFormat::Text => text_line(record, now),
        LogFormat::Json => json_line(record, now),
    }
}

fn text_line(record: &Record<'_>, now: SystemTime) -> String {
    let mut line = format!("{} {} ", clock::seconds_text(now), record.level());
    for character in record.args().to_string().trim_end().chars() {
        match character {
            // What follows is indented: a message can't forge the start of a record.
            '\n' => line.push_str("\n    "),
            '\t' => line.push('\t'),
            // An escape sequence would reach the terminal of whoever reads the log.
            control if control.is_control() => {
                let _ = write!(line, "{}", control.escape_default());
            }
            other => line.push(other),
        }
    }
    line.push('\n');
    line
}

fn json_line(record: &Record<'_>, now: SystemTime) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        ts: String,
        level: String,
        target: &'a str,
        message: String,
    }
    let line = Line {
        ts: clock::seconds_text(now),
        level: record.level().as_str().to_lowercase(),
        target: record.target(),
        message: record.args().to_string(),
    };
    serde_json::to_string(&line).expect("a struct of strings is always JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use log::Level;

    use super::*;

    #[test]
    fn text_is_time_level_and_message() {
        assert_eq!(text("wrote 3 edges"), "2026-11-23T19:41:26Z INFO wrote 3 edges\n");
        assert_eq!(text("ends anyway\n"), "2026-11-23T19:41:26Z INFO ends anyway\n");
    }

    #[test]
    fn text_keeps_a_message_in_its_record() {
        let forged = "a\n2026-11-23T19:41:26Z ERROR b\r\x1b[31m\u{9b}1m\0";
        assert_eq!(
            text(forged),
            "2026-11-23T19:41:26Z INFO a\n    2026-11-23T19:41:26Z ERROR b\\r\\u{1b}[31m\\u{9b}1m\\u{0}\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        assert_eq!(
            json("wrote 3 edges"),
            "{\"ts\":\"2026-11-23T19:41:26Z\",\"level\":\"info\",\"target\":\"ngraph::run\",\
             \"message\":\"wrote 3 edges\"}\n"
        );
    }

    #[test]
    fn json_takes_any_message() {
        for message in ["", "\"}\n{\"", "\\", "\0\x1b\r\n\t\u{2028}", "💥é"] {
            let line = json(message);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(object["message"], message);
        }
    }

    #[test]
    fn the_resolver_is_quiet_below_trace() {
        for (level, resolver) in [
            (LevelFilter::Off, LevelFilter::Off),
            (LevelFilter::Error, LevelFilter::Error),
            (LevelFilter::Warn, LevelFilter::Warn),
            (LevelFilter::Info, LevelFilter::Warn),
            (LevelFilter::Debug, LevelFilter::Warn),
            (LevelFilter::Trace, LevelFilter::Trace),
        ] {
            assert_eq!(library_level(level), resolver, "{level}");
        }
    }

    fn text(message: &str) -> String {
        render(LogFormat::Text, message)
    }

    fn json(message: &str) -> String {
        render(LogFormat::Json, message)
    }

    fn render(format: LogFormat, message: &str) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_462_886);
        let args = format_args!("{message}");
        let record = Record::builder().level(Level::Info).target("ngraph::run").args(args).build();
        line(format, &record, now)
    }
}
