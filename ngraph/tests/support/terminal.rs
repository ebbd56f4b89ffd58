//! A terminal of the test's own, and a program in it.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    num::NonZeroU16,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use vt100::{Color, Parser};

use super::wait_for;

/// A program in a terminal. Dropping it ends the program.
pub struct Terminal {
    child: Child,
    master: File,
    screen: Arc<Mutex<Parser>>,
}

impl Terminal {
    /// Starts a program in a terminal of this size.
    pub fn start(mut command: Command, rows: u16, columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("open a terminal");
        grantpt(&master).expect("grant it");
        unlockpt(&master).expect("unlock it");
        set_size(&master, rows, columns);
        let name = ptsname(&master, Vec::new()).expect("its name");
        let slave = || {
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            Stdio::from(open(name.as_c_str(), flags, Mode::empty()).expect("open its other side"))
        };
        command.stdin(slave()).stdout(slave()).stderr(slave());
        // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(control_terminal) };
        let child = command.spawn().expect("start a program in a terminal");
        // It holds the other sides, without which reading would never end.
        drop(command);
        let screen =
            Arc::new(Mutex::new(Parser::new(at_least_one(rows), at_least_one(columns), 0)));
        let master = File::from(master);
        let (mut from, to) = (master.try_clone().expect("read it"), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends with an error once nobody has the other side.
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock().expect("the screen").process(&bytes[..count]);
            }
        });
        Self { child, master, screen }
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    /// Waits for a screen of which `fact` holds.
    pub fn wait_for(&self, what: &str, fact: impl Fn(&str) -> bool) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(what, || fact(&self.text()).then_some(()))
        }));
        if found.is_err() {
            panic!("waited in vain: {what}\n{}", self.text());
        }
    }

    /// Types keys.
    pub fn type_(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("type");
    }

    /// Gives the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().expect("the screen");
        screen.set_size(at_least_one(rows), at_least_one(columns));
        set_size(&self.master, rows, columns);
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("signal the program");
    }

    /// Whether keys reach the program one by one, and aren't shown by the terminal.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.master).expect("the terminal's modes").local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Whether a screen is shown that isn't the terminal's first.
    pub fn has_other_screen(&self) -> bool {
        self.screen.lock().expect("the screen").screen().alternate_screen()
    }

    /// How many places of the screen have a colour.
    pub fn colours(&self) -> usize {
        let parser = self.screen.lock().expect("the screen");
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let places = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |at| (row, at)));
        let cells = places.filter_map(|(row, at)| screen.cell(row, at));
        cells.filter(|cell| cell.fgcolor() != Color::Default).count()
    }

    /// Waits for the program's end, which must be a good one that leaves the terminal as it was.
    pub fn ended_well(&mut self) {
        let status = wait_for("the program's end", || self.child.try_wait().expect("wait"));
        assert_eq!(status.code(), Some(0), "{}", self.text());
        assert!(!self.is_raw(), "the terminal is as the program had it");
        wait_for("the first screen and a cursor", || {
            let parser = self.screen.lock().expect("the screen");
            let screen = parser.screen();
            (!screen.alternate_screen() && !screen.hide_cursor()).then_some(())
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at_least_one(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has a place")
}

fn set_size(terminal: impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal.as_fd(), size).expect("give the terminal a size");
}

/// Makes stdin the terminal of a session of the calling process' own, which is then told of
/// another size.
fn control_terminal() -> std::io::Result<()> {
    rustix::process::setsid()?;
    Ok(rustix::process::ioctl_tiocsctty(std::io::stdin().as_fd())?)
}
