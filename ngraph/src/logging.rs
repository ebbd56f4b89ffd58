//! Writes log records to stderr, a line each, as text or as JSON.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use log::{LevelFilter, Record};
use serde::Serialize;

/// The last second of the year 9999, the last that has a timestamp.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

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
        .filter_level(level)
        .filter_module("hickory", library_level(level))
        .filter_module("aya", library_level(level))
        .format(move |out, record| {
            let line = line(format, record, SystemTime::now());
            out.write_all(line.as_bytes())
        })
        .try_init();
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
    let mut line = format!("{} {} ", timestamp(now), record.level());
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
        ts: timestamp(now),
        level: record.level().as_str().to_lowercase(),
        target: record.target(),
        message: record.args().to_string(),
    };
    serde_json::to_string(&line).expect("a struct of strings is always JSON") + "\n"
}

/// A timestamp for any clock: humantime panics outside the years 1970 to 9999.
fn timestamp(now: SystemTime) -> String {
    let epoch = SystemTime::UNIX_EPOCH;
    humantime::format_rfc3339_seconds(now.clamp(epoch, epoch + LAST_SECOND)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

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
    fn a_wrong_clock_is_no_panic() {
        let (epoch, day) = (SystemTime::UNIX_EPOCH, Duration::from_secs(86_400));
        assert_eq!(timestamp(epoch - day), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(epoch + LAST_SECOND + day), "9999-12-31T23:59:59Z");
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
