//! The kernel's table of tracked connections, of the network namespace in which this is opened.

use std::{fs, io, os::fd::OwnedFd};

use anyhow::{Context as _, Result, bail};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::{
    Ask,
    message::{Answer, answer, question},
};
use crate::flow::Flow;

/// How many connections are tracked; a file of the reader's own namespace.
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// How many connections are tracked; none: the kernel tracks none, or hasn't loaded what does.
pub fn tracked() -> Option<u64> {
    fs::read_to_string(COUNT).ok()?.trim().parse().ok()
}

/// A socket that answers questions at once.
#[derive(Debug)]
pub struct Table {
    socket: OwnedFd,
    number: u32,
}

impl Table {
    /// Opens it.
    ///
    /// # Errors
    /// Where the kernel has no such socket.
    pub fn open() -> Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let socket = socket_with(family, kind, flags, Some(netlink::NETFILTER))
            .context("open a socket to the table of tracked connections")?;
        Ok(Self { socket, number: 0 })
    }
}

impl Ask for Table {
    fn ask(&mut self, flow: &Flow) -> Result<Answer> {
        self.number = self.number.wrapping_add(1);
        send(&self.socket, &question(flow, self.number), SendFlags::empty())
            .context("ask for a tracked connection")?;
        // The kernel has answered by now. An answer is about 250 bytes.
        let mut bytes = [0; 2_048];
        loop {
            let length = match recv(&self.socket, &mut bytes[..], RecvFlags::empty()) {
                Ok((length, _)) => length,
                Err(err) => return Err(io::Error::from(err)).context("read the kernel's answer"),
            };
            let Some(bytes) = bytes.get(..length) else {
                bail!("an answer of {length} bytes");
            };
            let (number, answer) = answer(bytes)?;
            // Else it is to a question whose answer made no sense.
            if number == self.number {
                return Ok(answer);
            }
        }
    }
}
