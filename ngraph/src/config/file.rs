//! Reads a configuration file: the options by their long names, as TOML.
//!
//! What it sets takes the place of the options' defaults, so that the very parsers that read flags
//! and variables read it, and both beat it.

use std::{
    ffi::OsString,
    fmt::Display,
    fs::File,
    io::{self, Read as _},
    ops::Range,
    path::Path,
};

use clap::{Arg, ArgAction, Command, ValueHint, builder::Resettable};
use rustix::fs::{Mode, OFlags};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{cli, export::file::reason};

/// A file that is larger is none of ours, and isn't read to its end.
const MOST_BYTES: u64 = 1 << 20;

/// What a configuration file sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(Vec<Setting>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    key: String,
    values: Vec<String>,
}

impl Settings {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// What is wrong with it, and where in it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = read(path).map_err(|problem| format!("read {}: {problem}", path.display()))?;
        Self::parse(&path.display(), &text)
    }

    /// Reads a file's text; errors call it `name`.
    ///
    /// # Errors
    /// What is wrong with it, and where in it.
    pub fn parse(name: &dyn Display, text: &str) -> Result<Self, String> {
        let at = |span: Range<usize>| {
            let line = text.as_bytes().iter().take(span.start).filter(|&&byte| byte == b'\n');
            format!("{name}:{}", line.count() + 1)
        };
        let table = DeTable::parse(text).map_err(|err| match err.span() {
            Some(span) => format!("{}: {}", at(span), err.message()),
            None => format!("{name}: {}", err.message()),
        })?;
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        // The first mistake of the file is told, and not that of the first name.
        entries.sort_unstable_by_key(|(key, _)| key.span().start);
        let command = cli::command();
        let mut settings = Vec::new();
        for (key, value) in entries {
            let arg = option(&command, key.get_ref())
                .map_err(|problem| format!("{}: {problem}", at(key.span())))?;
            let mut values = Vec::new();
            for (text, span) in texts(arg, value)
                .map_err(|wants| format!("{}: {} takes {wants}", at(value.span()), key.get_ref()))?
            {
                check(arg, &text).map_err(|problem| format!("{}: {problem}", at(span)))?;
                values.push(text);
            }
            settings.push(Setting { key: key.get_ref().to_string(), values });
        }
        Ok(Self(settings))
    }

    /// Makes what is set here the options' defaults.
    pub(crate) fn as_defaults(&self, command: Command) -> Command {
        command.mut_args(|arg| {
            let is_set = |setting: &&Setting| arg.get_long() == Some(&*setting.key);
            match self.0.iter().find(is_set) {
                Some(setting) => arg.default_values(setting.values.clone()),
                None => arg,
            }
        })
    }
}

/// Reads all of a file that may be anything: a pipe nobody writes to would be waited for, and what
/// is read while the agent runs must not keep it.
fn read(path: &Path) -> Result<String, String> {
    let wanted = "(--config wants a file of options, see docs/configuration.md)";
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from);
    let file = File::from(opened.map_err(|err| format!("{} {wanted}", reason(&err)))?);
    let meta = file.metadata().map_err(|err| reason(&err))?;
    if !meta.is_file() {
        let is = if meta.is_dir() { "is a folder" } else { "is no regular file" };
        return Err(format!("{is} {wanted}"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|err| reason(&err))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("is larger than {MOST_BYTES} bytes {wanted}"));
    }
    String::from_utf8(bytes).map_err(|err| {
        let (at, text) = (err.utf8_error().valid_up_to(), err.as_bytes());
        let line = text.iter().take(at).filter(|&&byte| byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8 (save it as UTF-8)")
    })
}

/// The option that a key is the long name of.
fn option<'a>(command: &'a Command, key: &str) -> Result<&'a Arg, String> {
    let options = || command.get_arguments().filter(|arg| arg.is_global_set());
    let find = |name: &str| options().find(|arg| arg.get_long() == Some(name));
    match find(key) {
        Some(_) if key == cli::CONFIG => Err("config: a file names no other file".to_owned()),
        Some(arg) => Ok(arg),
        None => {
            let like = key.to_lowercase().replace('_', "-");
            let remedy = match find(&like) {
                Some(_) => format!("{like} is"),
                None => "the long names that `ngraph --help` tells are".to_owned(),
            };
            Err(format!("there is no option {} ({remedy})", key.escape_debug()))
        }
    }
}

/// A value as a command line has it, with its place; or what its option takes.
fn texts<'a>(
    arg: &Arg,
    value: &'a Spanned<DeValue<'a>>,
) -> Result<Vec<(String, Range<usize>)>, &'static str> {
    let text = |value: &'a Spanned<DeValue<'a>>| match value.get_ref() {
        DeValue::String(text) => Some((text.to_string(), value.span())),
        _ => None,
    };
    match (form(arg), value.get_ref()) {
        (Form::Switch, DeValue::Boolean(is_on)) => Ok(vec![(is_on.to_string(), value.span())]),
        (Form::Switch, _) => Err("true or false"),
        (Form::List, DeValue::Array(array)) => {
            array.iter().map(text).collect::<Option<_>>().ok_or("a list of texts in quotes")
        }
        (Form::List, _) => Ok(vec![text(value).ok_or("a list of texts in quotes")?]),
        (Form::Path, DeValue::String(path)) if path.is_empty() => Err("a path that isn't empty"),
        (Form::Path, _) => Ok(vec![text(value).ok_or("a path in quotes")?]),
        (Form::Text, DeValue::Integer(number)) => Ok(vec![(number.to_string(), value.span())]),
        (Form::Text, _) => Ok(vec![text(value).ok_or("a text in quotes, or a whole number")?]),
    }
}

enum Form {
    Switch,
    List,
    Path,
    Text,
}

fn form(arg: &Arg) -> Form {
    match (arg.get_action(), arg.get_value_hint()) {
        (ArgAction::SetTrue, _) => Form::Switch,
        (ArgAction::Append, _) => Form::List,
        (_, ValueHint::AnyPath) => Form::Path,
        _ => Form::Text,
    }
}

/// Has the option's own parser read a value, alone: with all of them its error would tell no line.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    let arg = arg.clone().env(Resettable::Reset).default_value(value.to_owned());
    let command = Command::new("ngraph").no_binary_name(true).arg(arg);
    match command.try_get_matches_from(std::iter::empty::<OsString>()) {
        Ok(_) => Ok(()),
        Err(err) => Err(cli::message(&err)),
    }
}
