//! The clocks. Everything else takes the time as an argument.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspended time included: the clock that the kernel side stamps with.
pub fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// What [`since_boot`] has more than the kernel side's clock, in seconds: they differ in a time
/// namespace.
pub fn namespace_offset() -> i64 {
    let offsets = fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    offset_in(&offsets).unwrap_or(0)
}

/// Nanoseconds are left out: containers are given whole seconds.
fn offset_in(offsets: &str) -> Option<i64> {
    let line = offsets.lines().find_map(|line| line.strip_prefix("boottime"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Time since 1970; none before.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The last second of the year 9999: humantime panics outside the years 1970 to 9999.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// A time as RFC 3339 has it, to the second.
pub fn seconds_text(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST_SECOND)).to_string()
}

/// A time since 1970 as RFC 3339 has it, to the microsecond.
pub fn micros_text(since_1970: Duration) -> String {
    humantime::format_rfc3339_micros(UNIX_EPOCH + since_1970.min(LAST_SECOND)).to_string()
}

/// Seconds since 1970, for people and Prometheus.
pub fn unix_seconds() -> f64 {
    since_1970().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_namespaces_offset_is_that_of_its_boot() {
        let text = "monotonic           0         0\nboottime    -1000000         0\n";
        assert_eq!(offset_in(text), Some(-1_000_000));
        assert_eq!(offset_in("boottime"), None);
        assert_eq!(offset_in(""), None);
    }

    #[test]
    fn any_time_has_a_text() {
        assert_eq!(micros_text(Duration::ZERO), "1970-01-01T00:00:00.000000Z");
        assert_eq!(micros_text(Duration::MAX), "9999-12-31T23:59:59.000000Z");
        assert_eq!(micros_text(Duration::from_micros(1_500_001)), "1970-01-01T00:00:01.500001Z");
    }

    #[test]
    fn a_wrong_clock_is_no_panic() {
        let (epoch, day) = (UNIX_EPOCH, Duration::from_secs(86_400));
        assert_eq!(seconds_text(epoch - day), "1970-01-01T00:00:00Z");
        assert_eq!(seconds_text(epoch + LAST_SECOND + day), "9999-12-31T23:59:59Z");
    }
}
