//! A network namespace of one's own, so that the machine's own traffic is neither measured nor
//! disturbed.

use std::{io, net::UdpSocket, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Puts the calling thread, and the threads and processes that it starts from here on, into a new
/// namespace whose loopback is up.
pub(crate) fn enter_new() -> Result<()> {
    // SAFETY: a network namespace is no memory of this process, and threads other than this one
    // keep theirs.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .context("make a network namespace (needs root)")?;
    loopback_up().context("bring loopback up in a namespace of one's own")
}

fn loopback_up() -> io::Result<()> {
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: the socket is open and the request is a whole ifreq that names an interface.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
