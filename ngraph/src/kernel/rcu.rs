//! Waiting until the kernel has done what it is in the middle of.

use std::{thread, time::Duration};

use log::debug;
use rustix::thread::{MembarrierCommand, membarrier};

/// Waits until every read side of RCU that is running now has ended, some 20 ms: programs run in
/// such, and so does all that becomes of one packet that comes in.
/// (`membarrier`) <https://github.com/torvalds/linux/blob/v6.12/kernel/sched/membarrier.c>
/// (`ip_local_deliver_finish`) <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/ip_input.c>
pub fn wait_for_readers() {
    if let Err(err) = membarrier(MembarrierCommand::Global) {
        // Kernels with processors that have no tick refuse it.
        debug!("wait for RCU: {err}; waiting for 20 ms instead");
        thread::sleep(Duration::from_millis(20));
    }
}
