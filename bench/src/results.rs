//! Figures as they are gathered, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::stats::{exponent, median, spread};

/// All figures, in the order in which they were first measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    figures: Vec<Figure>,
    growths: Vec<Growth>,
    notes: Vec<String>,
}

/// What one thing came to in each round.
#[derive(Debug)]
struct Figure {
    name: String,
    of: String,
    values: Vec<f64>,
}

/// What something cost at growing loads.
#[derive(Debug)]
struct Growth {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Results {
    /// Adds what figure `name` of `of` came to in a round.
    pub(crate) fn add(&mut self, name: &str, of: &str, value: f64) {
        let found = self.figures.iter_mut().find(|figure| figure.name == name && figure.of == of);
        match found {
            Some(figure) => figure.values.push(value),
            None => self.figures.push(Figure {
                name: name.to_owned(),
                of: of.to_owned(),
                values: vec![value],
            }),
        }
    }

    /// Adds what `name` cost at a load.
    pub(crate) fn grow(&mut self, name: &str, load: f64, cost: f64) {
        match self.growths.iter_mut().find(|growth| growth.name == name) {
            Some(growth) => growth.points.push((load, cost)),
            None => self.growths.push(Growth { name: name.to_owned(), points: vec![(load, cost)] }),
        }
    }

    /// Adds a sentence that a reader of the figures needs; told at once, too.
    pub(crate) fn note(&mut self, note: String) {
        eprintln!("{note}");
        self.notes.push(note);
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let rows: Vec<[String; 4]> = self.figures.iter().map(Figure::row).collect();
        if !rows.is_empty() {
            text += &columns(["figure", "of", "median", "spread"], &rows);
        }
        for growth in &self.growths {
            let rows: Vec<[String; 2]> =
                growth.points.iter().map(|(load, cost)| [number(*load), number(*cost)]).collect();
            let (load, cost) = growth.name.split_once(": ").unwrap_or(("load", &growth.name));
            let _ = write!(text, "\n{}", columns([load, cost], &rows));
            let told = exponent(&growth.points).map_or("none".to_owned(), against_load);
            let _ = writeln!(text, "exponent: {told}");
        }
        for note in &self.notes {
            let _ = write!(text, "\nnote: {note}");
        }
        text
    }

    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|it| {
                let (median, spread) = (median(&it.values), spread(&it.values));
                json!({ "figure": it.name, "of": it.of, "median": median, "spread": spread, "values": it.values })
            })
            .collect();
        let growths: Vec<Value> = self
            .growths
            .iter()
            .map(|it| json!({ "growth": it.name, "points": it.points, "exponent": exponent(&it.points) }))
            .collect();
        json!({ "figures": figures, "growths": growths, "notes": self.notes })
    }
}

impl Figure {
    fn row(&self) -> [String; 4] {
        let middle = median(&self.values).map(number).unwrap_or_default();
        let spread = match spread(&self.values) {
            Some((least, most)) if self.values.len() > 1 => {
                format!("{} to {}", number(least), number(most))
            }
            _ => String::new(),
        };
        [self.name.clone(), self.of.clone(), middle, spread]
    }
}

/// An exponent, and what it means. One above 1 is a cost that grows faster than its load; what
/// a noisy machine adds to that is less than a tenth.
fn against_load(exponent: f64) -> String {
    let told = if exponent <= 1.1 { "no faster than the load" } else { "FASTER than the load" };
    format!("{exponent:.2}, {told}")
}

/// Three digits that matter, and whole numbers whole.
fn number(value: f64) -> String {
    let digits = if value == 0.0 { 0 } else { value.abs().log10().floor() as i32 };
    let behind = (2 - digits).clamp(0, 4) as usize;
    let text = format!("{value:.behind$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Markdown's own form of a table, aligned: figures to the right.
fn columns<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let is_number = |at: usize| {
        let mut cells = rows.iter().map(|row| &row[at]).filter(|cell| !cell.is_empty());
        cells.all(|cell| cell.starts_with(|first: char| first.is_ascii_digit() || first == '-'))
    };
    let widths: [usize; N] = std::array::from_fn(|at| {
        rows.iter().map(|row| row[at].len()).chain([head[at].len()]).max().unwrap_or(0)
    });
    let mut text = String::new();
    let line = |text: &mut String, cells: [&str; N]| {
        for (at, cell) in cells.into_iter().enumerate() {
            let width = widths[at];
            let _ = if is_number(at) {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:<width$} ")
            };
        }
        text.push_str("|\n");
    };
    line(&mut text, head);
    for (at, width) in widths.into_iter().enumerate() {
        let rule = "-".repeat(width);
        let _ = if is_number(at) { write!(text, "| {rule}:") } else { write!(text, "| {rule} ") };
    }
    text.push_str("|\n");
    rows.iter().for_each(|row| line(&mut text, std::array::from_fn(|at| row[at].as_str())));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_figure_of_each_subject() {
        let mut results = Results::default();
        for value in [40_100.0, 39_000.0, 41_000.0] {
            results.add("connections a second", "bare", value);
        }
        results.add("captured", "ngraph", 1.0);
        assert_eq!(
            results.table(),
            "| figure               | of     | median |         spread |\n\
             | -------------------- | ------ | ------:| --------------:|\n\
             | connections a second | bare   |  40100 | 39000 to 41000 |\n\
             | captured             | ngraph |      1 |                |\n"
        );
        let json = results.json();
        assert_eq!(json["figures"][0]["median"], 40_100.0);
        assert_eq!(json["figures"][0]["spread"], json!([39_000.0, 41_000.0]));
    }

    #[test]
    fn a_growth_ends_with_its_exponent() {
        let mut results = Results::default();
        for load in [100.0, 200.0, 400.0] {
            results.grow("connections: us", load, load * 2.0);
        }
        let table = results.table();
        assert!(table.starts_with("\n| connections |  us |\n"), "{table}");
        assert!(table.ends_with("exponent: 1.00, no faster than the load\n"), "{table}");
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let told = [0.0, 0.000_04, 0.012_34, 0.5, 1.0, 9.876, 40_100.4].map(number);
        assert_eq!(told, ["0", "0", "0.0123", "0.5", "1", "9.88", "40100"]);
    }
}
