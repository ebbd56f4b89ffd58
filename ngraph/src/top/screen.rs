//! The terminal: taken over, and given back as it was, however `top` ends.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    draw::{Looks, draw},
    model::{Model, Press},
};

/// A terminal of which `top` has the whole screen.
pub struct Screen {
    terminal: DefaultTerminal,
    keys: AsyncFd<io::Stdin>,
    resized: Signal,
    looks: Looks,
}

/// Rows that a page is.
const PAGE: isize = 20;

/// Sees that there is a terminal, before anything else costs time.
///
/// # Errors
/// Where stdin or stdout is none.
pub fn possible() -> Result<()> {
    for (name, is_terminal) in
        [("stdout", io::stdout().is_terminal()), ("stdin", io::stdin().is_terminal())]
    {
        ensure!(
            is_terminal,
            "show edges: {name} is no terminal (for a pipe there is ngraph watch, and ngraph --once \
             --output - --format json)"
        );
    }
    Ok(())
}

impl Screen {
    /// Takes the terminal over. It's given back when this is dropped, and before a panic is told.
    ///
    /// # Errors
    /// Where the terminal can't be taken over.
    pub fn enter() -> Result<Self> {
        let resized = signal(SignalKind::window_change()).context("listen for SIGWINCH")?;
        // SAFETY: the descriptor stays open for as long as the process runs.
        let keys = unsafe { AsyncFd::register_with_interest(io::stdin(), Interest::READABLE) }
            .map_err(|err| err.into_parts().1)
            .context("wait for keys by epoll")?;
        // What it has changed by the time it fails is changed back.
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore());
        let terminal = terminal.context("take over the terminal")?;
        if io::stderr().is_terminal() {
            // A line of the log would stand in the middle of the screen.
            log::set_max_level(log::LevelFilter::Off);
        }
        // <https://no-color.org>
        let has_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Ok(Self { terminal, keys, resized, looks: Looks { has_colours } })
    }

    /// Shows the state, in the size that the terminal has.
    ///
    /// # Errors
    /// Where the terminal can't be written.
    pub fn show(&mut self, model: &Model) -> Result<()> {
        let looks = self.looks;
        let drawn = self.terminal.draw(|frame| draw(frame, model, looks));
        drawn.map(drop).context("write to the terminal")
    }

    /// Waits for keys, or for another size, which has none. Dropping it loses none.
    ///
    /// # Errors
    /// Where the terminal can't be read.
    pub async fn presses(&mut self) -> Result<Vec<Press>> {
        tokio::select! {
            _ = self.resized.recv() => Ok(Vec::new()),
            ready = self.keys.readable() => {
                // Before they are read: what comes meanwhile is for the next time.
                ready.context("wait for keys")?.clear_ready();
                read()
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// The keys that there are by now.
fn read() -> Result<Vec<Press>> {
    let mut presses = Vec::new();
    while event::poll(Duration::ZERO).context("read the terminal's keys")? {
        if let Event::Key(key) = event::read().context("read the terminal's keys")? {
            presses.extend(press(key));
        }
    }
    Ok(presses)
}

/// What a key means; none: nothing.
fn press(key: KeyEvent) -> Option<Press> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Press::Interrupt,
        KeyCode::Char(it) if !is_chord => Press::Char(it),
        KeyCode::Backspace => Press::Backspace,
        KeyCode::Enter => Press::Enter,
        KeyCode::Esc => Press::Escape,
        KeyCode::Left => Press::Left,
        KeyCode::Right => Press::Right,
        KeyCode::Up => Press::Scroll(-1),
        KeyCode::Down => Press::Scroll(1),
        KeyCode::PageUp => Press::Scroll(-PAGE),
        KeyCode::PageDown => Press::Scroll(PAGE),
        KeyCode::Home => Press::Home,
        KeyCode::End => Press::End,
        _ => return None,
    })
}
