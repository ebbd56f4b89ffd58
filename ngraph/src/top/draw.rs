//! From the state of `top` to a screen. Pure: the screen is a buffer.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Cell, Clear, Paragraph, Row as Cells, Table},
};

use super::model::{Column, Mark, Mode, Model, Row};
use crate::config::duration;

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Whether there are colours.
    pub has_colours: bool,
}

impl Looks {
    /// What is wrong.
    fn alarm(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn of(self, mark: Mark) -> Style {
        match mark {
            Mark::None => Style::new(),
            Mark::New => self.coloured(Color::Green).add_modifier(Modifier::BOLD),
            Mark::Gone => Style::new().add_modifier(Modifier::DIM),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }
}

/// A column as it is shown.
struct Shown {
    column: Column,
    title: &'static str,
    width: Constraint,
    /// Screens narrower than this leave it out.
    from: u16,
}

const COLUMNS: [Shown; 7] = [
    Shown { column: Column::Direction, title: "dir", width: Constraint::Length(4), from: 0 },
    Shown { column: Column::Source, title: "source", width: Constraint::Fill(1), from: 0 },
    Shown {
        column: Column::Destination,
        title: "destination",
        width: Constraint::Fill(1),
        from: 0,
    },
    Shown { column: Column::Open, title: "open", width: Constraint::Length(6), from: 0 },
    Shown { column: Column::Rate, title: "per s", width: Constraint::Length(7), from: 56 },
    Shown { column: Column::Failures, title: "failed", width: Constraint::Length(7), from: 48 },
    Shown { column: Column::Since, title: "since", width: Constraint::Length(6), from: 64 },
];

const HELP: [&str; 13] = [
    "1 to 7, left, right  sort by a column,",
    "                     again: reversed",
    "r                    reverse the order",
    "/                    filter by text",
    "space                pause, go on",
    "i                    idle edges, too",
    "n                    names or addresses",
    "up, down, j, k       scroll, and pages",
    "?                    this help",
    "q, Esc, Ctrl-C       quit",
    "",
    "+ new  - gone  ! attempts just failed",
    "any key closes this",
];

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, model: &Model, looks: Looks) {
    let lines =
        [Constraint::Length(1), Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, health, body, foot] = Layout::vertical(lines).areas(frame.area());
    let rows = model.rows();
    let state = if model.is_paused { " [paused]" } else { "" };
    let title = format!("ngraph top{state}: {}", model.source);
    frame.render_widget(Line::styled(title, Style::new().add_modifier(Modifier::BOLD)), head);
    let style = if model.is_troubled { looks.alarm() } else { Style::new() };
    frame.render_widget(Line::styled(model.health.as_str(), style), health);
    frame.render_widget(table(model, &rows, body, looks), body);
    frame.render_widget(footer(model, rows.len()), foot);
    if model.mode == Mode::Help {
        help(frame, body);
    }
}

fn table<'a>(model: &Model, rows: &[Row<'_>], area: Rect, looks: Looks) -> Table<'a> {
    let shown: Vec<&Shown> = COLUMNS.iter().filter(|column| area.width >= column.from).collect();
    let title = |shown: &&Shown| {
        let arrow = match (shown.column == model.sort, model.is_descending) {
            (false, _) => "",
            (true, true) => "v",
            (true, false) => "^",
        };
        Cell::from(format!("{}{arrow}", shown.title))
    };
    let header =
        Cells::new(shown.iter().map(title)).style(Style::new().add_modifier(Modifier::REVERSED));
    // As many as there's room for, not the tens of thousands that there may be.
    let visible = rows.iter().skip(model.offset).take(area.height.into());
    let cells = visible.map(|row| {
        let cells = shown.iter().map(|shown| cell(model, row, shown.column, looks));
        Cells::new(cells).style(looks.of(row.mark))
    });
    Table::new(cells, shown.iter().map(|shown| shown.width)).header(header).column_spacing(1)
}

fn cell<'a>(model: &Model, row: &Row<'_>, column: Column, looks: Looks) -> Cell<'a> {
    match column {
        Column::Direction => {
            let mark = match row.mark {
                _ if row.is_failing => '!',
                Mark::New => '+',
                Mark::Gone => '-',
                Mark::None => ' ',
            };
            let direction = if row.key.is_inbound { "in" } else { "out" };
            let mark = Span::styled(
                mark.to_string(),
                if row.is_failing { looks.alarm() } else { Style::new() },
            );
            Cell::from(Line::from(vec![mark, Span::raw(direction)]))
        }
        Column::Source => Cell::from(model.end(row, false)),
        Column::Destination => Cell::from(model.end(row, true)),
        Column::Open => right(row.counts.open.to_string()),
        Column::Rate if row.rate == 0.0 => right("0".to_owned()),
        Column::Rate => right(format!("{:.1}", row.rate)),
        Column::Failures if row.counts.failed > 0 => {
            right(row.counts.failed.to_string()).style(looks.alarm())
        }
        Column::Failures => right("0".to_owned()),
        Column::Since => right(since(row.counts.age)),
    }
}

fn right<'a>(text: String) -> Cell<'a> {
    Cell::from(Line::from(text).right_aligned())
}

/// In the largest unit alone.
fn since(age: std::time::Duration) -> String {
    let seconds = age.as_secs();
    let unit = [86_400, 3_600, 60].into_iter().find(|unit| seconds >= *unit).unwrap_or(1);
    duration::format(std::time::Duration::from_secs(seconds / unit * unit))
}

fn footer<'a>(model: &Model, rows: usize) -> Line<'a> {
    match model.mode {
        Mode::Filter => Line::from(format!("/{}_", model.filter)),
        _ if !model.filter.is_empty() => {
            Line::from(format!("{rows} edges with \"{}\"  Esc: all  ?: help", model.filter))
        }
        _ => Line::from(format!("{rows} edges  ?: help  /: filter  q: quit")),
    }
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let height = area.height.min(HELP.len() as u16);
    let width = area.width.min(42);
    let place = Rect { width, height, ..area };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(HELP.map(Line::from).to_vec()), place);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};

    use super::*;
    use crate::top::{
        model::Press,
        sample::{Counts, Key, Sample},
    };

    const PLAIN: Looks = Looks { has_colours: false };
    const COLOURED: Looks = Looks { has_colours: true };

    fn edge(source: &str, name: &str, open: u64, opened: u64, failed: u64) -> (Key, Counts) {
        let key = Key {
            is_inbound: true,
            source: source.into(),
            destination: "10.0.0.1".into(),
            labels: "".into(),
        };
        (key, Counts { name: name.into(), open, opened, failed, age: Duration::from_secs(7_200) })
    }

    fn model() -> Model {
        let mut model = Model::new("capturing by itself".to_owned());
        for (at, opened) in [(100, 10), (102, 15)] {
            let mut edges = vec![edge("10.0.0.9", "db.example", 3, opened, 0)];
            if at > 100 {
                edges.push(edge("10.0.0.8", "", 1, 1, 2));
            }
            let health = "open 4 in, 0 out".to_owned();
            let at = Duration::from_secs(at);
            model.take(Sample { at, edges, health, is_troubled: false });
        }
        model
    }

    fn drawn(model: &Model, width: u16, height: u16, looks: Looks) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model, looks)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        let width = usize::from(buffer.area.width);
        let symbols: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        symbols.chunks(width).map(|line| line.concat().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_screen_has_source_health_edges_and_keys() {
        assert_eq!(
            lines(&drawn(&model(), 80, 7, PLAIN)),
            [
                "ngraph top: capturing by itself",
                "open 4 in, 0 out",
                "dir  source                 destination            openv  per s   failed  since",
                " in  db.example             10.0.0.1                    3     2.5       0     2h",
                "!in  10.0.0.8               10.0.0.1                    1     0.5       2     2h",
                "",
                "2 edges  ?: help  /: filter  q: quit",
            ]
        );
    }

    #[test]
    fn a_narrow_screen_leaves_out_what_matters_less() {
        let lines = lines(&drawn(&model(), 40, 7, PLAIN));
        assert!(lines[2].contains("source") && lines[2].contains("openv"), "{lines:#?}");
        assert!(!lines[2].contains("since"), "{lines:#?}");
        assert!(lines[3].contains("db.example") && lines[3].ends_with('3'), "{lines:#?}");
    }

    #[test]
    fn no_screen_is_too_small() {
        let mut model = model();
        for mode in [Mode::Choose, Mode::Filter, Mode::Help] {
            model.mode = mode;
            for (width, height) in [(0, 0), (1, 1), (3, 2), (10, 4), (300, 2), (2, 100)] {
                drawn(&model, width, height, COLOURED);
            }
        }
    }

    #[test]
    fn failures_are_red_where_colours_are_wanted() {
        let red = |looks| {
            let buffer = drawn(&model(), 80, 7, looks);
            buffer.content().iter().filter(|cell| cell.fg == Color::Red).count()
        };
        assert!(red(COLOURED) > 0);
        let coloured = drawn(&model(), 80, 7, PLAIN);
        assert!(coloured.content().iter().all(|cell| cell.fg == Color::Reset), "{coloured:?}");
    }

    #[test]
    fn names_of_any_width_keep_to_their_column() {
        let mut model = Model::new(String::new());
        let names = [
            "日本語の名前がとても長いのではみ出す",
            "e\u{301}e\u{301}e\u{301}",
            "👨‍👩‍👧 family",
            "ﷺﷺﷺ",
        ];
        let edges =
            names.iter().enumerate().map(|(n, name)| edge(&format!("10.0.0.{n}"), name, 7, 1, 0));
        let edges = edges.collect();
        model.take(Sample { edges, at: Duration::from_secs(1), ..Sample::default() });
        let buffer = drawn(&model, 40, 9, PLAIN);
        for row in 3..7 {
            assert_eq!(buffer[(39, row)].symbol(), "7", "{:#?}", lines(&buffer));
        }
    }

    #[test]
    fn what_is_typed_and_paused_is_seen() {
        let mut model = model();
        " /10.0.0.8".chars().for_each(|key| model.press(Press::Char(key)));
        let lines = lines(&drawn(&model, 60, 7, PLAIN));
        assert!(lines[0].starts_with("ngraph top [paused]"), "{lines:#?}");
        assert_eq!((lines[3].contains("10.0.0.8"), lines[4].as_str()), (true, ""), "{lines:#?}");
        assert_eq!(lines[6], "/10.0.0.8_");
    }

    #[test]
    fn help_names_every_key() {
        let mut model = model();
        model.press(Press::Char('?'));
        let text = lines(&drawn(&model, 60, 20, PLAIN)).join("\n");
        for key in ["/ ", "space", "r ", "i ", "n ", "q, Esc, Ctrl-C"] {
            assert!(text.contains(key), "{key}: {text}");
        }
    }
}
