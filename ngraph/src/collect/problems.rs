//! What goes wrong again and again, told once per change. Pure.

use std::collections::BTreeMap;

/// What each source last had to complain of.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeMap<&'static str, Vec<String>>);

impl Problems {
    /// Of the problems that a source has, those to tell: all, if they aren't those that it had.
    pub(super) fn changed(&mut self, source: &'static str, problems: Vec<String>) -> &[String] {
        let before = self.0.entry(source).or_default();
        if *before == problems {
            return &[];
        }
        *before = problems;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn a_problem_is_told_once_until_it_changes() {
        let mut problems = Problems::default();
        assert_eq!(problems.changed("a", problem("x")), ["x"]);
        assert!(problems.changed("a", problem("x")).is_empty());
        assert_eq!(problems.changed("a", problem("y")), ["y"]);
        assert!(problems.changed("a", Vec::new()).is_empty());
        assert_eq!(problems.changed("a", problem("y")), ["y"], "it was gone");
    }

    #[test]
    fn what_one_source_tells_brings_no_other_up_again() {
        let mut problems = Problems::default();
        assert_eq!(problems.changed("a", problem("x")), ["x"]);
        assert_eq!(problems.changed("b", problem("y")), ["y"]);
        for _ in 0..3 {
            assert!(problems.changed("a", problem("x")).is_empty());
            assert!(problems.changed("b", problem("y")).is_empty());
        }
    }
}
