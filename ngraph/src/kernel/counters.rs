//! The kernel side's counters, mapped into the agent's memory: reading them is no system
//! call, see `ngraph_common::count::Counters`.

use std::{
    fs,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result, bail};
use aya::maps::Map;
use ngraph_common::{count, names};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::health::HOOKS;

/// One row a hook, one column an outcome, summed over the processors.
pub type Rows = [[u64; count::COLUMNS as usize]; HOOKS];

/// The map COUNTERS, one `count::Counters` for each possible processor, mapped for reading.
pub struct Mapped {
    start: NonNull<AtomicU64>,
    processors: usize,
    /// Programs that are yet to be loaded refer to it by its descriptor.
    _map: Map,
}

// SAFETY: it owns its mapping and reads it by atomics alone.
unsafe impl Send for Mapped {}

/// Processors that may ever be there.
/// <https://docs.kernel.org/admin-guide/cputopology.html>
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// How many elements the map needs: one for each processor that may ever be there.
///
/// # Errors
/// Where the kernel doesn't tell how many that are.
pub fn processors() -> Result<usize> {
    let list = fs::read_to_string(POSSIBLE).with_context(|| format!("read {POSSIBLE}"))?;
    last(&list).map(|last| last + 1).with_context(|| format!("no processor in {POSSIBLE}: {list}"))
}

/// The last of a list of numbers and ranges in order, as `0-3,8-11`: they may have gaps.
fn last(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

impl Mapped {
    /// Maps the map, made with `processors` elements.
    ///
    /// # Errors
    /// Where it's another kind of map, or the kernel refuses.
    pub fn open(map: Map, processors: usize) -> Result<Self> {
        let Map::Array(data) = &map else {
            bail!("map {} is no array (built from another commit?)", names::COUNTERS);
        };
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe {
            let (length, flags) = (Self::length(processors), MapFlags::SHARED);
            mmap(ptr::null_mut(), length, ProtFlags::READ, flags, data.fd(), 0)
        }
        .with_context(|| format!("map {} into memory", names::COUNTERS))?;
        let start = NonNull::new(start.cast()).context("map counters at no address")?;
        Ok(Self { start, processors, _map: map })
    }

    /// The counters, summed over the processors.
    pub fn sums(&self) -> Rows {
        let mut sums = Rows::default();
        // SAFETY: the mapping holds as many u64 as long as `self` lives, aligned to a page;
        // the kernel side writes each as a whole.
        let counters = unsafe {
            std::slice::from_raw_parts(self.start.as_ptr(), self.processors * count::ENTRIES)
        };
        for counters in counters.chunks_exact(count::ENTRIES) {
            for (hook, row) in (0u8..).zip(&mut sums) {
                for (column, sum) in (0u32..).zip(row) {
                    *sum += counters[count::index(hook, column)].load(Ordering::Relaxed);
                }
            }
        }
        sums
    }

    fn length(processors: usize) -> usize {
        processors * size_of::<count::Counters>()
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and nothing refers to it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), Self::length(self.processors)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_processor_is_found_behind_gaps() {
        let cases = [("0\n", 0), ("0-3\n", 3), ("0-3,8-11\n", 11), ("0,2\n", 2)];
        for (list, expected) in cases {
            assert_eq!(last(list), Some(expected), "{list}");
        }
        assert_eq!(last("\n"), None);
    }
}
