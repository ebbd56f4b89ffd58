//! Instructions by stage: as callgrind tells them, and as they are recorded. Pure.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Error, Result};

/// What a stage took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instructions {
    stage: String,
    count: u64,
}

/// What is recorded: by which toolchain, why, and how many instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) toolchain: String,
    pub(super) reason: String,
    pub(super) stages: Vec<Instructions>,
}

/// The stages of a profile: the functions of a module `stage`, with all that they call.
///
/// A call is a line `cfn=` with the function's name, one `calls=`, and one with a place and the
/// instructions. <https://valgrind.org/docs/manual/cl-format.html>
pub(super) fn stages(profile: &str) -> Vec<Instructions> {
    let mut stages = Vec::new();
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        let Some(stage) = line.strip_prefix("cfn=").and_then(stage) else {
            continue;
        };
        let cost = lines.find(|line| !line.starts_with("calls="));
        if let Some(count) = cost.and_then(|line| line.rsplit(' ').next()?.parse().ok()) {
            stages.push(Instructions { stage: stage.to_owned(), count });
        }
    }
    stages
}

/// `decode` of `instructions::stage::decode::h0123456789abcdef`.
fn stage(function: &str) -> Option<&str> {
    let (_, stage) = function.split_once("::stage::")?;
    let (name, rest) = stage.split_once("::").unwrap_or((stage, ""));
    // A closure of a stage is called by that, and is within it.
    (rest.is_empty() || rest.starts_with('h')).then_some(name)
}

impl Figures {
    /// A table of these and of what was counted.
    pub(super) fn beside(&self, counted: &[Instructions]) -> String {
        let row = |now: &Instructions| {
            let Instructions { stage, count } = now;
            let before = self.of(stage).map_or("new".to_owned(), |before| {
                format!("{before:>12} {:>+7.2} %", change(before, *count))
            });
            format!("{stage:<10} {count:>12} {before}")
        };
        let rows: Vec<String> = counted.iter().map(row).collect();
        format!("stage           counted     recorded\n{}", rows.join("\n"))
    }

    /// Stages that take more than `slack` percent more than recorded, and those that aren't.
    pub(super) fn grown(&self, counted: &[Instructions], slack: u64) -> Vec<String> {
        let is_grown = |now: &&Instructions| {
            self.of(&now.stage).is_none_or(|before| now.count * 100 > before * (100 + slack))
        };
        counted.iter().filter(is_grown).map(|now| now.stage.clone()).collect()
    }

    fn of(&self, stage: &str) -> Option<u64> {
        self.stages.iter().find(|it| it.stage == stage).map(|it| it.count)
    }
}

/// In percent.
fn change(before: u64, now: u64) -> f64 {
    (now as f64 / before.max(1) as f64 - 1.0) * 100.0
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { toolchain, reason, stages } = self;
        writeln!(
            f,
            "# Instructions of each stage of `ngraph/benches/instructions.rs`, written by"
        )?;
        writeln!(f, "# `cargo xtask instructions --bless REASON`.")?;
        writeln!(f, "toolchain: {toolchain}\nreason: {reason}")?;
        stages.iter().try_for_each(|it| writeln!(f, "{}: {}", it.stage, it.count))
    }
}

impl FromStr for Figures {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (mut toolchain, mut reason, mut stages) = (None, None, Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) =
                line.split_once(": ").with_context(|| format!("`{line}` is no `name: value`"))?;
            match name {
                "toolchain" => toolchain = Some(value.to_owned()),
                "reason" => reason = Some(value.to_owned()),
                stage => stages.push(Instructions {
                    stage: stage.to_owned(),
                    count: value
                        .parse()
                        .with_context(|| format!("`{line}`: a number is wanted"))?,
                }),
            }
        }
        Ok(Self {
            toolchain: toolchain.context("it has no line `toolchain: `")?,
            reason: reason.context("it has no line `reason: `")?,
            stages,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(stages: &[(&str, u64)]) -> Vec<Instructions> {
        let one = |&(stage, count): &(&str, u64)| Instructions { stage: stage.to_owned(), count };
        stages.iter().map(one).collect()
    }

    #[test]
    fn a_stage_is_counted_with_all_that_it_calls_and_others_are_not() {
        let profile = "events: Ir\nfn=instructions::main\n0 9\ncfn=alloc\ncalls=1 0\n0 7\n\
                       cfn=instructions::stage::decode\ncalls=1 0\n0 1200\n\
                       cob=/lib\ncfi=???\ncfn=instructions::stage::live::h0123456789abcdef\n\
                       calls=1 16\n16 3400\nfn=instructions::stage::live::h0123456789abcdef\n0 5\n\
                       cfn=instructions::stage::live::{{closure}}\ncalls=9 0\n0 80\n";
        assert_eq!(stages(profile), counts(&[("decode", 1_200), ("live", 3_400)]));
        assert_eq!(stages("events: Ir\n"), []);
    }

    #[test]
    fn figures_are_read_as_they_are_written() {
        let figures = Figures {
            toolchain: "1.95.0 x86_64-unknown-linux-gnu".to_owned(),
            reason: "the first: they are what they are".to_owned(),
            stages: counts(&[("decode", 10), ("live", 20)]),
        };
        assert_eq!(figures.to_string().parse::<Figures>().unwrap(), figures);
        for bad in ["", "toolchain: 1\n", "toolchain: 1\nreason: 2\nlive: x\n", "live\n"] {
            assert!(bad.parse::<Figures>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stage_grows_past_the_slack_and_a_new_one_has_to_be_recorded() {
        let (toolchain, reason) = (String::new(), String::new());
        let stages = counts(&[("decode", 1_000), ("live", 1_000), ("file", 1_000)]);
        let figures = Figures { toolchain, reason, stages };
        let now = counts(&[("decode", 1_050), ("live", 1_051), ("file", 10), ("more", 1)]);
        assert_eq!(figures.grown(&now, 5), ["live", "more"]);
        assert!(figures.beside(&now).contains("-99.00 %"), "{}", figures.beside(&now));
    }
}
