//! The state of `top`: what samples and keys make of it. Pure.

#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use super::sample::{Counts, Key, Sample};

/// How long an edge is marked as new, and one without anything happening is still shown.
pub const MARKED: Duration = Duration::from_secs(5);

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where samples come from.
    pub source: String,
    /// How it goes, in a line.
    pub health: String,
    /// Whether that is one to worry about.
    pub is_troubled: bool,
    /// The column that rows are sorted by.
    pub sort: Column,
    /// Whether the largest come first.
    pub is_descending: bool,
    /// Text that rows must have.
    pub filter: String,
    /// What the keys are for.
    pub mode: Mode,
    /// Whether samples are left aside.
    pub is_paused: bool,
    /// Whether edges are shown on which nothing happens.
    pub shows_idle: bool,
    /// Whether addresses are shown where there are names.
    pub shows_addresses: bool,
    /// The first row that is shown.
    pub offset: usize,
    /// Whether it's over.
    pub is_over: bool,
    edges: BTreeMap<Key, Known>,
    /// When the last sample was taken; none: there was none.
    at: Option<Duration>,
}

/// What the keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To choose what is shown.
    Choose,
    /// To write the filter.
    Filter,
    /// To close the help.
    Help,
}

/// A column, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Whether this host connected or was connected to.
    Direction,
    /// Where connections come from.
    Source,
    /// Where they go to.
    Destination,
    /// Open now.
    Open,
    /// Opened each second.
    Rate,
    /// Failed attempts.
    Failures,
    /// How long the edge has been there.
    Since,
}

impl Column {
    /// All, from left to right.
    pub const ALL: [Self; 7] = [
        Self::Direction,
        Self::Source,
        Self::Destination,
        Self::Open,
        Self::Rate,
        Self::Failures,
        Self::Since,
    ];

    /// Whether the largest are looked for first.
    fn is_number(self) -> bool {
        matches!(self, Self::Open | Self::Rate | Self::Failures)
    }
}

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// A character.
    Char(char),
    /// The last character goes.
    Backspace,
    /// What is written is taken.
    Enter,
    /// Away from here.
    Escape,
    /// The end, wherever.
    Interrupt,
    /// The column before.
    Left,
    /// The column behind.
    Right,
    /// So many rows on, or back.
    Scroll(isize),
    /// The first row.
    Home,
    /// The last row.
    End,
}

#[derive(Clone, Debug)]
struct Known {
    counts: Counts,
    /// Opened each second, between the last two samples.
    rate: f64,
    /// When something was last there or happened.
    active_at: Duration,
    /// When it came up; none: it was there at the first sample.
    came_at: Option<Duration>,
    /// Whether attempts have failed since the sample before.
    is_failing: bool,
}

/// An edge as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// What makes it.
    pub key: &'a Key,
    /// Its counts.
    pub counts: &'a Counts,
    /// Opened each second.
    pub rate: f64,
    /// How it is marked.
    pub mark: Mark,
    /// Whether attempts have just failed.
    pub is_failing: bool,
}

/// How a row is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It's there.
    None,
    /// It came up a moment ago.
    New,
    /// Nothing is open, and nothing has happened since the sample before.
    Gone,
}

impl Model {
    /// Knows nothing yet.
    pub fn new(source: String) -> Self {
        Self {
            source,
            health: String::new(),
            is_troubled: false,
            sort: Column::Open,
            is_descending: true,
            filter: String::new(),
            mode: Mode::Choose,
            is_paused: false,
            shows_idle: false,
            shows_addresses: false,
            offset: 0,
            is_over: false,
            edges: BTreeMap::new(),
            at: None,
        }
    }

    /// Takes a sample in, unless it's paused.
    pub fn take(&mut self, sample: Sample) {
        if self.is_paused {
            return;
        }
        let Sample { at, edges, health, is_troubled } = sample;
        let passed = self.at.map(|before| at.saturating_sub(before).as_secs_f64());
        let mut before = std::mem::take(&mut self.edges);
        for (key, counts) in edges {
            let known = before.remove(&key);
            self.edges.insert(key, Known::next(known, counts, at, passed));
        }
        // Those that are in no sample any more stay for as long as they are marked.
        for (key, mut known) in before {
            if at.saturating_sub(known.active_at) < MARKED {
                known.counts.open = 0;
                known.rate = 0.0;
                known.is_failing = false;
                self.edges.insert(key, known);
            }
        }
        (self.at, self.health, self.is_troubled) = (Some(at), health, is_troubled);
    }

    /// There is no sample, and why not.
    pub fn lack(&mut self, why: &str) {
        (self.health, self.is_troubled) = (why.to_owned(), true);
    }

    /// The rows that are shown, in their order.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let at = self.at.unwrap_or_default();
        let mut rows: Vec<Row<'_>> = (self.edges.iter())
            .filter(|(_, known)| self.shows_idle || at.saturating_sub(known.active_at) < MARKED)
            .map(|(key, known)| known.row(key, at))
            .filter(|row| self.is_wanted(row))
            .collect();
        // Sorted by all that makes an edge already: what is alike keeps that order.
        match self.sort {
            Column::Direction => self.sort_by(&mut rows, |row| row.key.is_inbound),
            Column::Source => self.sort_by(&mut rows, |row| self.end(row, false)),
            Column::Destination => self.sort_by(&mut rows, |row| self.end(row, true)),
            Column::Open => self.sort_by(&mut rows, |row| row.counts.open),
            // Thousandths: a float has no order.
            Column::Rate => self.sort_by(&mut rows, |row| (row.rate * 1_000.0) as u64),
            Column::Failures => self.sort_by(&mut rows, |row| row.counts.failed),
            Column::Since => self.sort_by(&mut rows, |row| row.counts.age),
        }
        rows
    }

    /// An end as it is shown: the peer's by its name, where it has one.
    pub fn end(&self, row: &Row<'_>, is_destination: bool) -> String {
        let address = if is_destination { &row.key.destination } else { &row.key.source };
        let is_peer = is_destination != row.key.is_inbound;
        let has_name = is_peer && !row.counts.name.is_empty() && !self.shows_addresses;
        let end = if has_name { &row.counts.name } else { address };
        if is_destination && !row.key.labels.is_empty() {
            format!("{end} {}", row.key.labels)
        } else {
            end.to_string()
        }
    }

    /// Does what a key is for.
    pub fn press(&mut self, press: Press) {
        match (self.mode, press) {
            (_, Press::Interrupt) => self.is_over = true,
            (Mode::Help, _) => self.mode = Mode::Choose,
            (Mode::Filter, press) => self.write(press),
            (Mode::Choose, press) => self.choose(press),
        }
    }

    fn write(&mut self, press: Press) {
        match press {
            Press::Char(it) if !it.is_control() => self.filter.push(it),
            Press::Backspace => {
                self.filter.pop();
            }
            Press::Enter => self.mode = Mode::Choose,
            Press::Escape => {
                self.filter.clear();
                self.mode = Mode::Choose;
            }
            _ => return,
        }
        self.offset = 0;
    }

    fn choose(&mut self, press: Press) {
        match press {
            Press::Char('q') => self.is_over = true,
            // It takes the filter away first, so that one too many ends nothing.
            Press::Escape if self.filter.is_empty() => self.is_over = true,
            Press::Escape => self.filter.clear(),
            Press::Char('?' | 'h') => self.mode = Mode::Help,
            Press::Char('/') => self.mode = Mode::Filter,
            Press::Char(' ') => self.is_paused = !self.is_paused,
            Press::Char('r') => self.is_descending = !self.is_descending,
            Press::Char('i') => self.shows_idle = !self.shows_idle,
            Press::Char('n') => self.shows_addresses = !self.shows_addresses,
            Press::Char(it @ '1'..='7') => self.sort_at(it as usize - '1' as usize),
            Press::Left => self.sort_at((self.sort as usize + Column::ALL.len() - 1) % 7),
            Press::Right => self.sort_at((self.sort as usize + 1) % Column::ALL.len()),
            Press::Char('j') => self.scroll(1),
            Press::Char('k') => self.scroll(-1),
            Press::Scroll(rows) => self.scroll(rows),
            Press::Home | Press::Char('g') => self.offset = 0,
            Press::End | Press::Char('G') => self.scroll(isize::MAX),
            _ => {}
        }
    }

    fn scroll(&mut self, rows: isize) {
        let last = self.rows().len().saturating_sub(1);
        self.offset = self.offset.saturating_add_signed(rows).min(last);
    }

    /// Sorts by a column; the one that rows are sorted by already the other way round.
    fn sort_at(&mut self, at: usize) {
        let column = Column::ALL[at];
        self.is_descending =
            if column == self.sort { !self.is_descending } else { column.is_number() };
        self.sort = column;
        self.offset = 0;
    }

    fn sort_by<'a, T: Ord>(&self, rows: &mut [Row<'a>], by: impl Fn(&Row<'a>) -> T) {
        if self.is_descending {
            rows.sort_by_cached_key(|row| Reverse(by(row)));
        } else {
            rows.sort_by_cached_key(by);
        }
    }

    fn is_wanted(&self, row: &Row<'_>) -> bool {
        let filter = self.filter.to_lowercase();
        let Key { source, destination, labels, .. } = row.key;
        let texts = [source, destination, labels, &row.counts.name];
        texts.iter().any(|text| text.to_lowercase().contains(&filter))
    }
}

impl Known {
    fn next(before: Option<Self>, counts: Counts, at: Duration, passed: Option<f64>) -> Self {
        // Of an edge that is new in a sample all has happened since the one before.
        let (opened, failed) = match (&before, passed) {
            (Some(before), _) => (
                counts.opened.saturating_sub(before.counts.opened),
                counts.failed.saturating_sub(before.counts.failed),
            ),
            (None, Some(_)) => (counts.opened, counts.failed),
            (None, None) => (0, 0),
        };
        let rate = passed.filter(|&passed| passed > 0.0).map_or(0.0, |it| opened as f64 / it);
        let is_active = counts.open > 0 || opened > 0 || failed > 0;
        let (came_at, active_before) = match &before {
            Some(before) => (before.came_at, Some(before.active_at)),
            None => (passed.map(|_| at), None),
        };
        // One on which nothing happens when it's seen first has been idle for long.
        let active_at = if is_active { at } else { active_before.unwrap_or(Duration::ZERO) };
        Self { counts, rate, active_at, came_at, is_failing: failed > 0 }
    }

    fn row<'a>(&'a self, key: &'a Key, at: Duration) -> Row<'a> {
        let is_new = self.came_at.is_some_and(|came_at| at.saturating_sub(came_at) < MARKED);
        let mark = if self.active_at < at {
            Mark::Gone
        } else if is_new {
            Mark::New
        } else {
            Mark::None
        };
        Row { key, counts: &self.counts, rate: self.rate, mark, is_failing: self.is_failing }
    }
}
