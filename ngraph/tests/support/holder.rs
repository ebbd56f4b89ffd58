//! Another process that holds descriptors of ours.

use std::{
    io,
    net::TcpListener,
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
};

use super::traffic::{Held, held};

/// A process that does nothing but hold descriptors. Dropping this kills it.
pub struct Holder(Child);

impl Holder {
    /// Starts one in the calling thread's namespaces that inherits `descriptors`, as a child
    /// forked to serve does. Ours stay open.
    pub fn inherits(descriptors: &[&OwnedFd]) -> Self {
        let numbers: Vec<RawFd> = descriptors.iter().map(|fd| fd.as_raw_fd()).collect();
        Self::start(move || {
            for &number in &numbers {
                // SAFETY: this makes a descriptor, which the program executed next keeps.
                check(unsafe { libc::dup(number) } as isize)?;
            }
            Ok(())
        })
    }

    /// Starts one that has both ends of so many new connections to `listener` for itself.
    pub fn of_connections(listener: &TcpListener, count: usize) -> Self {
        let ends: Vec<OwnedFd> = (0..count)
            .flat_map(|_| {
                let Held { client, server } = held(listener);
                [client.into(), server.into()]
            })
            .collect();
        Self::inherits(&ends.iter().collect::<Vec<_>>())
    }

    /// Starts one that takes the one descriptor sent to the unix socket `from`.
    pub fn receives(from: &OwnedFd) -> Self {
        let from = from.as_raw_fd();
        Self::start(move || receive(from))
    }

    fn start(take: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Self {
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(take) };
        Self(command.spawn().expect("start a process"))
    }

    /// Kills it, as the kernel does where memory runs out.
    pub fn kill(mut self) {
        self.0.kill().expect("kill a process");
        self.0.wait().expect("wait for a process' end");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Receives a message with one descriptor, which stays open in the program executed next.
fn receive(from: RawFd) -> io::Result<()> {
    // Aligned as a control message is, and with room for one descriptor.
    let mut control = [0_u64; 4];
    let mut byte = 0_u8;
    let mut data = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: an all-zero msghdr is a valid one.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the message names memory that lives until the call returns, with its sizes.
    check(unsafe { libc::recvmsg(from, &raw mut message, 0) })?;
    if message.msg_controllen == 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
}

fn check(result: isize) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
