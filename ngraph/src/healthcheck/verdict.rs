//! Whether an agent of which this was seen is well. Pure.

use std::{fmt, time::Duration};

use crate::config::duration;

/// Files that may fail to come before the agent is called unwell.
const INTERVALS: u32 = 3;

/// What was seen of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether it runs: one that was killed leaves its file behind.
    pub presence: Presence,
    /// When its file was written; none: there is no file.
    pub written: Option<Written>,
}

/// Whether an agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// One does.
    Runs,
    /// None does.
    Gone,
    /// Nothing tells: the file alone has to.
    Unknown,
}

/// When a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// So long ago.
    Before(Duration),
    /// At a time that is still to come: the clock was set back since.
    Ahead,
}

/// What is wrong with an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// It doesn't run, and hasn't left a file.
    Absent,
    /// It doesn't run; its file was left behind.
    Gone,
    /// It runs and hasn't written yet.
    NoFile,
    /// Its file is older than three intervals.
    Stale {
        /// Since when it hasn't written.
        age: Duration,
        /// How often it ought to.
        interval: Duration,
        /// Whether it runs.
        presence: Presence,
    },
}

/// Judges an agent that writes each `interval`.
///
/// A file from the future is a good one: whoever runs writes the next one by the clock as it
/// is, and who doesn't run is told by `presence`.
///
/// # Errors
/// What is wrong.
pub fn judge(sight: &Sight, interval: Duration) -> Result<(), Ailment> {
    let Sight { presence, written } = *sight;
    match (presence, written) {
        (Presence::Gone | Presence::Unknown, None) => Err(Ailment::Absent),
        (Presence::Gone, Some(_)) => Err(Ailment::Gone),
        (Presence::Runs, None) => Err(Ailment::NoFile),
        (_, Some(Written::Before(age))) if age > interval * INTERVALS => {
            Err(Ailment::Stale { age, interval, presence })
        }
        (_, Some(_)) => Ok(()),
    }
}

/// What is wrong, and in brackets what to do.
impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "there is no such file, and no agent runs there (start one, or give this command \
                 the agent's --output)",
            ),
            Self::Gone => f.write_str(
                "the agent that wrote it doesn't run any more: nobody has the folder's lock \
                 (start it; if it was killed, the kernel's log may say why)",
            ),
            Self::NoFile => f.write_str(
                "an agent runs there and has written no file yet (give it a moment to start; its \
                 log says what it waits for)",
            ),
            Self::Stale { age, interval, presence } => {
                let (age, interval) = (duration::format(*age), duration::format(*interval));
                write!(f, "written {age} ago, which is more than three intervals of {interval}")?;
                f.write_str(match presence {
                    Presence::Runs => {
                        ", though the agent runs (its log says why; if its --interval is \
                         another, give this command the same)"
                    }
                    _ => {
                        " (see whether the agent runs; if its --interval is another, give this \
                         command the same)"
                    }
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Presence::{Gone, Runs, Unknown};
    use Written::{Ahead, Before};

    const INTERVAL: Duration = Duration::from_secs(15);
    const THREE: Duration = Duration::from_secs(45);

    fn verdict(presence: Presence, written: Option<Written>) -> Result<(), Ailment> {
        judge(&Sight { presence, written }, INTERVAL)
    }

    #[test]
    fn who_runs_is_well_for_three_intervals_after_a_file() {
        assert_eq!(verdict(Runs, Some(Before(Duration::ZERO))), Ok(()));
        assert_eq!(verdict(Runs, Some(Before(THREE))), Ok(()));
        let age = THREE + Duration::from_nanos(1);
        let stale = Ailment::Stale { age, interval: INTERVAL, presence: Runs };
        assert_eq!(verdict(Runs, Some(Before(age))), Err(stale));
    }

    #[test]
    fn a_file_left_behind_is_no_sign_of_life_however_new() {
        for written in [Before(Duration::ZERO), Before(THREE * 2), Ahead] {
            assert_eq!(verdict(Gone, Some(written)), Err(Ailment::Gone), "{written:?}");
        }
    }

    #[test]
    fn a_clock_set_back_makes_nobody_ill() {
        assert_eq!(verdict(Runs, Some(Ahead)), Ok(()));
        assert_eq!(verdict(Unknown, Some(Ahead)), Ok(()));
    }

    #[test]
    fn where_no_lock_tells_the_file_does() {
        assert_eq!(verdict(Unknown, Some(Before(THREE))), Ok(()));
        assert!(verdict(Unknown, Some(Before(THREE * 2))).is_err());
        assert_eq!(verdict(Unknown, None), Err(Ailment::Absent));
    }

    #[test]
    fn without_a_file_a_start_is_told_from_no_agent() {
        assert_eq!(verdict(Runs, None), Err(Ailment::NoFile));
        assert_eq!(verdict(Gone, None), Err(Ailment::Absent));
    }

    #[test]
    fn any_interval_and_age_is_judged() {
        let longest = Duration::from_secs(3_600);
        let sight = Sight { presence: Runs, written: Some(Before(Duration::MAX)) };
        assert!(judge(&sight, longest).unwrap_err().to_string().contains("intervals of 1h"));
    }
}
