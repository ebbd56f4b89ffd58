//! `ngraph graph`: reads what the picture is made of, has it drawn, and prints it.

mod files;
mod prometheus;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Result, anyhow, bail};

use self::prometheus::Server;
use crate::{
    cli::{Cli, graph::GraphArgs},
    config::{Format, duration},
    picture::{self, Fleet, Origin, Picture, fit::Limits},
    stdout,
};

/// Draws what `args` name.
///
/// # Errors
/// Where something can't be read, or makes no sense.
pub fn graph(args: &GraphArgs, cli: &Cli) -> Result<()> {
    if args.format == Format::Html && io::stdout().is_terminal() {
        bail!("a page is for a browser: send it to a file (>graph.html), or add --format mermaid");
    }
    let now = SystemTime::now();
    let (fleet, origin) = match &args.prometheus {
        Some(url) => from_server(args, url, now)?,
        None => from_files(args, &cli.output)?,
    };
    let mut picture = Picture::of(chosen(fleet, args)?);
    picture.range = args.range;
    for note in &picture.notes {
        eprintln!("ngraph: {note}");
    }
    match picture.render(args.format, &origin) {
        Some(text) => stdout::print(text.as_bytes()),
        None => bail!("NGRAPH_FORMAT=prom: no format of a picture (give --format)"),
    }
}

fn from_files(args: &GraphArgs, folder: &Path) -> Result<(Fleet, Origin)> {
    let own = [folder.join("ngraph.prom")];
    let paths: &[PathBuf] = if args.files.is_empty() { &own } else { &args.files };
    let files = files::read(paths)?;
    let mut fleet = picture::join(&files.reports);
    if !args.diff.is_empty() {
        fleet = fleet.since(picture::join(&files::read(&args.diff)?.reports));
    }
    let made_of = match files.count {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    let written_at = files.reports.written_at.map(Duration::from_secs);
    let made_at = written_at.map(timestamp).unwrap_or_default();
    Ok((fleet, Origin { made_of, made_at }))
}

fn from_server(args: &GraphArgs, url: &str, now: SystemTime) -> Result<(Fleet, Origin)> {
    let server = Server::new(url, args.timeout);
    let at = args.at.as_deref().map(|at| prometheus::time(at, now));
    let mut fleet = picture::join(&server.read(at.as_deref(), args.range)?);
    for old in &args.diff {
        let old = prometheus::time(&old.to_string_lossy(), now);
        fleet = fleet.since(picture::join(&server.read(Some(&old), args.range)?));
    }
    let within = args.range.map(|range| format!(", the last {}", duration::format(range)));
    let made_of = format!("Prometheus at {url}{}", within.unwrap_or_default());
    let made_at = at.unwrap_or_else(|| {
        timestamp(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    });
    Ok((fleet, Origin { made_of, made_at }))
}

/// What of the fleet is drawn.
fn chosen(mut fleet: Fleet, args: &GraphArgs) -> Result<Fleet> {
    let focus = match &args.focus {
        None => None,
        Some(text) => {
            let shown = text.escape_debug();
            Some(fleet.find(text).map_err(|err| anyhow!("--focus {shown}: {err}"))?)
        }
    };
    let center = focus.as_deref();
    if let Some(center) = center {
        fleet = fleet.around(center, args.depth);
    }
    if args.min > 0 {
        fleet = fleet.at_least(args.min, center);
    }
    if let Some(by) = args.group_by {
        fleet = fleet.grouped(by, center);
    }
    Ok(match Limits::of(args.format) {
        Some(limits) => fleet.fit(limits, center),
        None => fleet,
    })
}

/// A time by the Unix clock; humantime panics outside of the years that have four digits.
fn timestamp(since: Duration) -> String {
    match SystemTime::UNIX_EPOCH.checked_add(since) {
        Some(time) if since.as_secs() < 253_402_300_800 => {
            humantime::format_rfc3339_seconds(time).to_string()
        }
        _ => String::new(),
    }
}
