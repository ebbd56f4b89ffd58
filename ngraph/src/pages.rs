//! What is made of the command's definition for others to read: the manual page, completions.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

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
    match io::stdout().write_all(&text) {
        // As every filter does: whoever read has seen enough.
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}

fn usage(command: &Command) -> String {
    let mut words = vec![command.get_name().to_owned()];
    for argument in command.get_arguments() {
        match argument.get_long() {
            // What every command takes has a section of its own.
            Some(_) if argument.is_global_set() => {}
            Some(long) => words.push(format!("[--{long}]")),
            None => words.push(argument.get_id().as_str().to_uppercase()),
        }
    }
    words.join(" ")
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
