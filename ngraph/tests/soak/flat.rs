//! What the agent uses over time, and whether that grows.

use std::{fmt, fs, time::Duration};

use super::support::metrics::Metrics;

/// The parts of a run that are left out and compared: a sixth to warm up, then the rest in
/// thirds, of which the last may not be above the first.
const WARM_UP: u32 = 6;
const THIRDS: usize = 3;

/// What may be above: a table that happens to double, a file that is just being read.
const BYTES: u64 = 1 << 20;
const DESCRIPTORS: u64 = 2;

/// Samples of all figures, and when they were taken.
#[derive(Default)]
pub struct Series {
    at: Vec<Duration>,
    figures: [Vec<u64>; FIGURES.len()],
}

struct Figure {
    name: &'static str,
    of: fn(&[u64]) -> u64,
    allowance: u64,
}

/// What the kernel says of the agent, and what the agent says of itself.
const FIGURES: [Figure; 4] = [
    Figure { name: "highest resident bytes by /proc", of: highest, allowance: BYTES },
    Figure { name: "highest resident bytes by the agent", of: highest, allowance: BYTES },
    // Within a snapshot there are three more for each namespace of the machine, and a file
    // may be made meanwhile. What leaks is there outside of snapshots too.
    Figure { name: "lowest descriptors by /proc", of: lowest, allowance: DESCRIPTORS },
    Figure { name: "lowest descriptors by the agent", of: lowest, allowance: DESCRIPTORS },
];

impl Series {
    /// Takes a sample of each figure.
    pub fn take(&mut self, at: Duration, pid: u32, metrics: &Metrics) {
        let figures = [
            resident_bytes(pid),
            metrics.sum("ngraph_process_resident_memory_bytes", &[]),
            fs::read_dir(format!("/proc/{pid}/fd")).expect("the agent's descriptors").count()
                as u64,
            metrics.sum("ngraph_process_open_fds", &[]),
        ];
        self.at.push(at);
        for (series, figure) in self.figures.iter_mut().zip(figures) {
            series.push(figure);
        }
    }

    /// Whether all figures are flat; what grew, if not.
    pub fn judge(&self) -> Result<(), String> {
        for (figure, (first, last)) in FIGURES.iter().zip(self.thirds()) {
            if last > first + figure.allowance {
                return Err(format!("{} grew from {first} to {last}", figure.name));
            }
        }
        Ok(())
    }

    /// Each figure in the first and in the last third.
    fn thirds(&self) -> impl Iterator<Item = (u64, u64)> {
        let length = self.at.last().copied().unwrap_or_default();
        let warm = self.at.iter().take_while(|&&at| at < length / WARM_UP).count();
        FIGURES.iter().zip(&self.figures).map(move |(figure, series)| {
            let series = &series[warm..];
            let third = series.len() / THIRDS;
            ((figure.of)(&series[..third]), (figure.of)(&series[series.len() - third..]))
        })
    }
}

fn highest(part: &[u64]) -> u64 {
    part.iter().max().copied().expect("a third has samples")
}

fn lowest(part: &[u64]) -> u64 {
    part.iter().min().copied().expect("a third has samples")
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, (first, last)) in FIGURES.iter().zip(self.thirds()) {
            writeln!(f, "{}: {first} in the first third, {last} in the last", figure.name)?;
        }
        write!(f, "{} samples", self.at.len())
    }
}

fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the agent's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(bytes: impl Fn(u64) -> u64) -> Series {
        let mut series = Series::default();
        for second in 1..=120 {
            series.at.push(Duration::from_secs(second));
            series.figures[0].push(bytes(second));
            series.figures[1..].iter_mut().for_each(|figure| figure.push(7));
        }
        series
    }

    #[test]
    fn growth_is_told_from_noise_and_from_the_warm_up() {
        assert_eq!(series(|second| 5_000_000 + second % 7 * 100_000).judge(), Ok(()));
        assert_eq!(series(|second| 5_000_000 + second.min(20) * 500_000).judge(), Ok(()));
        let leak = series(|second| 5_000_000 + second * 20_000).judge().unwrap_err();
        assert_eq!(leak, "highest resident bytes by /proc grew from 6040000 to 7400000");
    }

    #[test]
    fn one_more_descriptor_a_minute_shows_in_an_hour() {
        let mut series = Series::default();
        for second in 1..=3600 {
            series.at.push(Duration::from_secs(second));
            series.figures[..3].iter_mut().for_each(|figure| figure.push(7));
            series.figures[3].push(7 + second / 60);
        }
        assert!(series.judge().unwrap_err().starts_with("lowest descriptors by the agent grew"));
    }
}
