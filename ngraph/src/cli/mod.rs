//! The command line, exactly as typed.

pub mod command;
pub mod graph;
pub mod options;

use std::{env, ffi::OsString, fmt::Display};

use clap::{CommandFactory, FromArgMatches, builder::Resettable, error::ErrorKind};

pub use self::{
    command::Command,
    options::{COMMIT, Cli},
};
use crate::config::file::Settings;

/// The option that names a file of the others.
pub(crate) const CONFIG: &str = "config";

/// Reads a command line, the program's name first, and the environment.
///
/// The error may as well be what `--help` or `--version` print: its `exit()` knows the
/// stream and the exit code.
pub fn parse_from<A>(args: impl IntoIterator<Item = A>) -> Result<Cli, clap::Error>
where
    A: Into<OsString> + Clone,
{
    parse_over(&Settings::default(), args)
}

/// The same, with `settings` in the place of the defaults.
pub fn parse_over<A>(
    settings: &Settings,
    args: impl IntoIterator<Item = A>,
) -> Result<Cli, clap::Error>
where
    A: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let set = settings.as_defaults(Cli::command());
    without_agents_options(without_empty_variables(set))
        .try_get_matches_from(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| match error.kind() {
            // Help names every variable, the empty ones as well.
            ErrorKind::DisplayHelp => command().try_get_matches_from(&args).err().unwrap_or(error),
            _ => error,
        })
}

/// The command with its subcommands, for whoever shows it.
pub fn command() -> clap::Command {
    without_agents_options(Cli::command())
}

/// Wrong usage that no option's own parser sees.
pub fn usage_error(message: impl Display) -> clap::Error {
    Cli::command().error(ErrorKind::ArgumentConflict, message)
}

/// What an error says, without how the command is used.
pub fn message(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// Hides the agent's options where they mean nothing, which would drown those that do. They are
/// taken there all the same: clap's global options are.
fn without_agents_options(mut command: clap::Command) -> clap::Command {
    // Only now does a subcommand have them.
    command.build();
    command.mut_subcommand("graph", |graph| {
        graph.mut_args(|arg| {
            let is_agents = arg.is_global_set();
            arg.hide(is_agents)
        })
    })
}

/// Treats a variable that is set but empty as not set: service files and charts can often
/// not leave it out.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    })
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use log::LevelFilter;

    use super::*;
    use crate::config::Capture;

    #[test]
    fn clap_finds_no_fault_with_the_command() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_the_variable_of_its_name() {
        for arg in Cli::command().get_arguments() {
            let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long))
            else {
                continue;
            };
            let name = format!("NGRAPH_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env(), Some(name.as_ref()), "--{long}");
            assert!(arg.is_global_set(), "--{long}");
            assert!(arg.get_help_heading().is_some(), "--{long}");
        }
    }

    #[test]
    fn options_stand_on_either_side_of_the_subcommand() {
        let before = parse("--procfs /x doctor").unwrap();
        assert_eq!(before, parse("doctor --procfs /x").unwrap());
        assert_eq!(before.command, Some(Command::Doctor { self_test: false }));
        assert_eq!(before.procfs, PathBuf::from("/x"));
        assert!(parse("--all doctor").unwrap().all && parse("doctor --all").unwrap().all);
        assert_eq!(parse("doctor --exclude ::1,::2").unwrap().exclude.len(), 2);
    }

    #[test]
    fn the_seeds_command_line_works() {
        let cli = parse("--interval=30 --output=/path/to/metrics --all").unwrap();
        assert_eq!(cli.interval, Duration::from_secs(30));
        assert_eq!(cli.output, PathBuf::from("/path/to/metrics"));
        assert!(cli.all);
        assert_eq!(cli.command, None);
    }

    #[test]
    fn choices_take_either_case() {
        assert_eq!(parse("--capture ProcFS").unwrap().capture, Capture::Procfs);
        assert_eq!(parse("--log-level WARN").unwrap().log_level, LevelFilter::Warn);
        assert_eq!(parse("--snapshot-interval AUTO").unwrap().snapshot_interval, None);
    }

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        parse_from(["ngraph"].into_iter().chain(args.split_whitespace()))
    }
}
