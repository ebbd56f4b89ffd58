//! What is made of the command's definition for others to read: the manual page, completions.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{cli::Cli, stdout};

/// Prints the manual page: one, with the subcommands in it, since each has little to say.
///
/// # Errors
/// Where it can't be printed.
pub fn man() -> Result<()> {
    print(|page| {
        let man = Man::new(Cli::command()).section("8");
        man.render_title(page)?;
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_description_section(page)?;
        writeln!(page, ".SH COMMANDS")?;
        for command in Cli::command().get_subcommands() {
            writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(&usage(command)), roff(&about(command)))?;
            options(page, command)?;
        }
        man.render_options_section(page)?;
        man.render_extra_section(page)?;
        man.render_version_section(page)
    })
}

/// Prints `shell`'s completions.
///
/// # Errors
/// Where they can't be printed.
pub fn completions(shell: Shell) -> Result<()> {
    print(|text| {
        clap_complete::generate(shell, &mut Cli::command(), "ngraph", text);
        Ok(())
    })
}

/// All of it at once: a generator that can't write panics.
fn print(make: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<()> {
    let mut text = Vec::new();
    make(&mut text).context("make the text")?;
    stdout::print(&text)
}

/// A command's own options, further in than itself.
fn options(page: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let is_own = |it: &&Arg| it.get_long().is_some() && !it.is_global_set();
    let own: Vec<&Arg> = command.get_arguments().filter(is_own).collect();
    if own.is_empty() {
        return Ok(());
    }
    writeln!(page, ".RS")?;
    for argument in own {
        let help = argument.get_long_help().or(argument.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(&option(argument)), roff(&help))?;
    }
    writeln!(page, ".RE")
}

fn usage(command: &Command) -> String {
    let mut words = vec![command.get_name().to_owned()];
    for argument in command.get_arguments() {
        match argument.get_long() {
            // What every command takes has a section of its own.
            Some(_) if argument.is_global_set() => {}
            Some(_) => words.push(format!("[{}]", option(argument))),
            None => words.push(argument.get_id().as_str().to_uppercase()),
        }
    }
    words.join(" ")
}

/// An option with the name of its value, if it takes one.
fn option(argument: &Arg) -> String {
    let long = argument.get_long().unwrap_or_default();
    match argument.get_value_names() {
        Some([value, ..]) if argument.get_action().takes_values() => format!("--{long} {value}"),
        _ => format!("--{long}"),
    }
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

/// Text that troff takes for text.
fn roff(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.is_empty() {
            ".sp".to_owned()
        } else if line.starts_with(['.', '\'']) {
            format!("\\&{line}")
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_request() {
        assert_eq!(roff(".x a-b\n\n'y\\z"), "\\&.x a\\-b\n.sp\n\\&'y\\ez");
    }

    #[test]
    fn a_commands_own_words_are_its_usage() {
        let command = Cli::command();
        let of = |name| usage(command.find_subcommand(name).unwrap());
        assert_eq!(of("doctor"), "doctor [--self-test]");
        assert_eq!(of("completions"), "completions SHELL");
    }
}
