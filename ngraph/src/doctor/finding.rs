//! A finding, how it looks, and what all of them together mean. Pure.

use std::fmt::Write as _;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    name: &'static str,
    /// Why it's missing and what helps; none: it's there.
    missing: Option<Remedy>,
    /// What was found.
    text: String,
    /// Whether the agent can't run without it.
    is_needed: bool,
}

type Remedy = String;

impl Finding {
    /// It's there.
    pub(super) fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, missing: None, text: text.into(), is_needed: false }
    }

    /// It isn't; an empty remedy is one that the text has already told.
    pub(super) fn missing(
        name: &'static str,
        text: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, missing: Some(remedy.into()), text: text.into(), is_needed: false }
    }

    /// The same, and the agent can't run without it.
    pub(super) fn needed(self) -> Self {
        Self { is_needed: true, ..self }
    }
}

/// Whether nothing is missing that the agent needs.
pub(super) fn can_run(findings: &[Finding]) -> bool {
    obstacles(findings).next().is_none()
}

/// The last line.
pub(super) fn verdict(findings: &[Finding]) -> Finding {
    let obstacles: Vec<&str> = obstacles(findings).collect();
    if obstacles.is_empty() {
        return Finding::ok("agent", "would run with these options");
    }
    let text = format!("can't run with these options, for want of: {}", obstacles.join(", "));
    Finding::missing("agent", text, "")
}

/// A line each: `ok` or `missing`, the name, the text, the remedy in brackets.
pub(super) fn render(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut lines = String::new();
    for Finding { name, missing, text, .. } in findings {
        let state = if missing.is_some() { "missing" } else { "ok" };
        let _ = write!(lines, "{state:<7} {name:<width$}  ");
        one_line(&mut lines, text);
        if let Some(remedy) = missing.as_deref().filter(|remedy| !remedy.is_empty()) {
            lines.push_str(" (");
            one_line(&mut lines, remedy);
            lines.push(')');
        }
        lines.push('\n');
    }
    lines
}

fn obstacles(findings: &[Finding]) -> impl Iterator<Item = &'static str> {
    (findings.iter())
        .filter(|finding| finding.is_needed && finding.missing.is_some())
        .map(|finding| finding.name)
}

/// Paths and the verifier's words may hold anything: a line stays a line.
fn one_line(lines: &mut String, text: &str) {
    for character in text.trim_end().chars() {
        match character {
            control if control.is_control() => {
                let _ = write!(lines, "{}", control.escape_default());
            }
            other => lines.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_the_remedy_is_in_brackets() {
        let findings = [
            Finding::ok("kernel", "6.12.0"),
            Finding::missing("ring buffer", "not asked", "run as root"),
            Finding::missing("x", "gone", ""),
        ];
        let expected = "\
ok      kernel       6.12.0
missing ring buffer  not asked (run as root)
missing x            gone
";
        assert_eq!(render(&findings), expected);
    }

    #[test]
    fn a_finding_is_one_line_whatever_its_text_holds() {
        let text = render(&[Finding::missing("x", "a\nok  forged\x1b[1m\n", "b\r\0")]);
        assert_eq!(text, "missing x  a\\nok  forged\\u{1b}[1m (b\\r\\u{0})\n");
    }

    #[test]
    fn only_what_is_needed_and_missing_keeps_the_agent_from_running() {
        let mut findings = vec![Finding::ok("a", "").needed(), Finding::missing("b", "", "")];
        assert!(can_run(&findings));
        assert_eq!(verdict(&findings), Finding::ok("agent", "would run with these options"));
        findings.extend([
            Finding::missing("c", "", "").needed(),
            Finding::missing("d", "", "").needed(),
        ]);
        assert!(!can_run(&findings));
        let text = "can't run with these options, for want of: c, d";
        assert_eq!(verdict(&findings), Finding::missing("agent", text, ""));
    }
}
