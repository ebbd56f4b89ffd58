//! Takes out what the kernel side counted of events that found the ring buffer full.

use anyhow::{Context as _, Result};
use aya::{
    Pod,
    maps::{Array, HashMap, Map, MapData},
};
use ngraph_common::{names, overflow::Like};

use super::rcu;

/// A key of the map.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Key(Like);

// SAFETY: integers without padding, as `Like` proves, for which any bytes are a value.
unsafe impl Pod for Key {}

/// The map OVERFLOW, and which of its two shelves the kernel side fills.
pub struct Overflow {
    counts: HashMap<MapData, Key, u64>,
    shelf: Array<MapData, u32>,
    filled: u32,
    /// How many events have been taken out, or were on their way when the last were.
    taken: u64,
}

impl Overflow {
    /// Opens the two maps.
    ///
    /// # Errors
    /// Where they are others than expected.
    pub fn open(counts: Map, shelf: Map) -> Result<Self> {
        let counts = HashMap::try_from(counts)
            .with_context(|| format!("open the map {}", names::OVERFLOW))?;
        let shelf =
            Array::try_from(shelf).with_context(|| format!("open the map {}", names::SHELF))?;
        Ok(Self { counts, shelf, filled: 0, taken: 0 })
    }

    /// Takes out what was counted, if the kernel side's count of it, `overflowed`, says that
    /// there is something. Takes some 20 ms then, most of it waiting.
    ///
    /// # Errors
    /// Where the maps can't be read or written: what wasn't taken out stays.
    pub fn drain(&mut self, overflowed: u64, mut take: impl FnMut(&Like, u64)) -> Result<()> {
        if overflowed == self.taken {
            return Ok(());
        }
        let full = self.filled;
        self.shelf.set(0, 1 - full, 0).with_context(|| format!("write {}", names::SHELF))?;
        self.filled = 1 - full;
        // Every program that may still be filling that shelf ends: they run in read sides.
        rcu::wait_for_readers();
        let keys: Result<Vec<Key>, _> = self
            .counts
            .keys()
            .filter(|key| !matches!(key, Ok(key) if key.0.shelf != full))
            .collect();
        for key in keys.with_context(|| format!("list {}", names::OVERFLOW))? {
            let context = || format!("take counts out of {}", names::OVERFLOW);
            let count = self.counts.get(&key, 0).with_context(context)?;
            self.counts.remove(&key).with_context(context)?;
            self.taken += count;
            take(&key.0, count);
        }
        Ok(())
    }
}
