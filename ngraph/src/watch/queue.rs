//! Lines on their way to a reader who may be slow: bounded, and what finds no room is counted and
//! told in its place.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::line::{Event, Line};

/// Between the loop, which never waits, and the thread that writes.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    room: usize,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Line>,
    /// Lines that found no room since the last that did.
    dropped: u64,
    is_closed: bool,
}

impl Queue {
    /// An empty queue with room for so many lines, and one that tells of those without.
    pub fn new(room: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), room }
    }

    /// Adds lines, then `more` that are told by their number alone.
    pub fn add(&self, lines: Vec<Line>, more: u64, now: Duration) {
        let mut inner = self.lock();
        for line in lines {
            inner.tell_dropped(self.room, now);
            if inner.lines.len() < self.room {
                inner.lines.push_back(line);
            } else {
                inner.dropped += 1;
            }
        }
        inner.dropped += more;
        inner.tell_dropped(self.room, now);
        self.changed.notify_one();
    }

    /// No more lines come: what waits, and the number of those that found no room, is the rest.
    pub fn close(&self, now: Duration) {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.tell_dropped(usize::MAX, now);
        self.changed.notify_one();
    }

    /// Waits for lines and gives up to `most` of them; none: there will be no more.
    pub fn take(&self, most: usize) -> Vec<Line> {
        let is_idle = |inner: &mut Inner| inner.lines.is_empty() && !inner.is_closed;
        let mut inner =
            self.changed.wait_while(self.lock(), is_idle).unwrap_or_else(PoisonError::into_inner);
        let count = most.min(inner.lines.len());
        inner.lines.drain(..count).collect()
    }

    /// Nobody panics while holding it.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Where there's room again, what found none is told first.
    fn tell_dropped(&mut self, room: usize, now: Duration) {
        if self.dropped > 0 && self.lines.len() < room {
            let count = std::mem::take(&mut self.dropped);
            self.lines.push_back(Line { at: now, event: Event::Dropped { count } });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    /// A line that can be told from others.
    fn lines(range: std::ops::Range<u64>) -> Vec<Line> {
        range.map(|at| Line { at: Duration::from_secs(at), event: Event::Ready }).collect()
    }

    fn dropped(count: u64) -> Line {
        Line { at: NOW, event: Event::Dropped { count } }
    }

    #[test]
    fn lines_come_out_as_they_went_in() {
        let queue = Queue::new(9);
        queue.add(lines(0..5), 0, NOW);
        assert_eq!(queue.take(3), lines(0..3));
        assert_eq!(queue.take(3), lines(3..5));
    }

    #[test]
    fn what_finds_no_room_is_told_in_its_place() {
        let queue = Queue::new(3);
        queue.add(lines(0..5), 0, NOW);
        assert_eq!(queue.take(2), lines(0..2));
        queue.add(lines(5..6), 0, NOW);
        let expected = [lines(2..3), vec![dropped(2)], lines(5..6)].concat();
        assert_eq!(queue.take(9), expected);
    }

    #[test]
    fn where_nothing_else_happens_what_was_dropped_is_told_all_the_same() {
        let queue = Queue::new(2);
        queue.add(lines(0..4), 7, NOW);
        assert_eq!(queue.take(9), lines(0..2));
        queue.add(Vec::new(), 0, NOW);
        assert_eq!(queue.take(9), [dropped(9)]);
    }

    #[test]
    fn a_closed_queue_tells_what_it_dropped_and_ends() {
        let queue = Queue::new(1);
        queue.add(lines(0..4), 0, NOW);
        queue.close(NOW);
        assert_eq!(queue.take(9), [lines(0..1), vec![dropped(3)]].concat());
        assert!(queue.take(9).is_empty());
    }

    #[test]
    fn whatever_the_reader_does_every_line_is_told_or_counted() {
        let queue = Queue::new(4);
        let (mut told, mut counted) = (0, 0);
        let mut read = |most| {
            for line in queue.take(most) {
                match line.event {
                    Event::Dropped { count } => counted += count,
                    _ => told += 1,
                }
            }
        };
        for round in 0..50 {
            queue.add(lines(0..round % 7), round % 3, NOW);
            if round % 4 == 1 {
                read(3);
            }
        }
        queue.close(NOW);
        read(usize::MAX);
        let given: u64 = (0..50).map(|round| round % 7 + round % 3).sum();
        assert_eq!(told + counted, given);
    }
}
