//! Counts what libtest printed: passed, failed, skipped; and keeps what failed tests said.

use std::ops::AddAssign;

/// The result of one or more test programs.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
    /// How many test programs ended with a result.
    pub(crate) suites: u32,
    /// What failed tests printed, in libtest's own words.
    pub(crate) failures: Vec<String>,
    /// How many tests of the program at hand said that they skipped.
    saying_skipped: u32,
    section: Section,
}

#[derive(Debug, Default, PartialEq)]
enum Section {
    #[default]
    Running,
    Successes,
    Failures,
}

impl Tally {
    /// Takes a line of output; gives back whether it's worth showing live.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        // libtest reports an early return as passed, so a test that can't run here says so.
        // With one thread the line follows the test's name: `test a ... skipped: why`.
        let is_skip = line.starts_with(SKIPPED)
            || line.starts_with("test ") && line.contains(&format!(" ... {SKIPPED}"));
        self.saying_skipped += u32::from(is_skip);
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.end_suite(counts);
            return true;
        }
        match (line, &self.section) {
            ("successes:", Section::Running) => self.section = Section::Successes,
            ("failures:", Section::Running | Section::Successes) => {
                self.section = Section::Failures;
                return true;
            }
            _ => {}
        }
        if self.section == Section::Failures && !line.is_empty() {
            self.failures.push(line.to_owned());
        }
        // What passed tests printed is asked for because of its skips alone.
        is_skip || self.section != Section::Successes
    }

    /// Notes a failure that isn't a test's, such as a guest that doesn't boot.
    pub(crate) fn fail(&mut self, what: String) {
        self.failed += 1;
        self.failures.push(what);
    }

    /// The last line of a run, in a form that scripts may rely on.
    pub(crate) fn summary(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }

    /// Reads `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s`.
    fn end_suite(&mut self, counts: &str) {
        let words: Vec<&str> = counts.split([' ', ';']).collect();
        let count = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at.checked_sub(1)?)?.parse::<u32>().ok()
        };
        let passed = count("passed").unwrap_or(0);
        let skipped = self.saying_skipped.min(passed);
        self.passed += passed - skipped;
        self.skipped += skipped + count("ignored").unwrap_or(0);
        self.failed += count("failed").unwrap_or(0);
        self.suites += 1;
        self.saying_skipped = 0;
        self.section = Section::Running;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.suites += other.suites;
        self.failures.extend(other.failures);
    }
}

/// How the line of a test begins that can't run where it is.
const SKIPPED: &str = "skipped: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_are_summed() {
        let tally = read(
            "test a ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.10s\n",
        );
        assert_eq!(tally.summary(), "4 passed, 2 failed, 1 skipped");
        assert_eq!(tally.suites, 2);
    }

    #[test]
    fn a_test_that_skips_has_not_passed() {
        let tally = read(
            "skipped: no tool\n\
             test c ... skipped: too old\n\
             ok\n\
             test says_skipped: later ... ok\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(tally.summary(), "2 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn what_failed_tests_said_is_kept() {
        let tally = read(
            "test a ... FAILED\n\nsuccesses:\n\n---- b stdout ----\nchatter\n\n\
             failures:\n\n---- a stdout ----\npanicked at x\n\n\nfailures:\n    a\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
             chatter\n",
        );
        assert_eq!(tally.failures, ["---- a stdout ----", "panicked at x", "failures:", "    a"]);
    }

    #[test]
    fn what_passed_tests_said_is_not_shown_except_skips() {
        let mut tally = Tally::default();
        let shown = ["test b ... ok", "successes:", "chatter", "skipped: x", "test result: ok."]
            .map(|line| tally.read(line));
        assert_eq!(shown, [true, false, false, true, true]);
    }

    fn read(output: &str) -> Tally {
        let mut tally = Tally::default();
        for line in output.lines() {
            tally.read(line);
        }
        tally
    }
}
