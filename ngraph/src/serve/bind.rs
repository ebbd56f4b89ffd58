//! Binds what is listened at; before the fence, and before anything else costs time.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use anyhow::anyhow;

use crate::{config::Listen, export::file::reason};

/// A listener at these addresses, and the one that it got.
///
/// # Errors
/// What was tried, why that failed, and what helps.
pub fn bind(listen: Listen) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let bound = match listen {
        Listen::At(address) => try_bind(address),
        Listen::Everywhere(port) => {
            match try_bind((Ipv6Addr::UNSPECIFIED, port).into()) {
                // Without IPv6. With it, it's IPv4's address, too.
                Err(err) if is_no_ipv6(&err) => try_bind((Ipv4Addr::UNSPECIFIED, port).into()),
                bound => bound,
            }
        }
    };
    bound.map_err(|err| anyhow!("listen at {listen}: {}{}", reason(&err), remedy(&err)))
}

fn try_bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn is_no_ipv6(err: &io::Error) -> bool {
    err.raw_os_error() == Some(libc::EAFNOSUPPORT) || err.kind() == ErrorKind::AddrNotAvailable
}

fn remedy(err: &io::Error) -> &'static str {
    match err.kind() {
        ErrorKind::AddrInUse => " (stop what listens there, or choose another --listen)",
        ErrorKind::AddrNotAvailable => {
            " (no interface has this address: choose another --listen, such as :9930)"
        }
        ErrorKind::PermissionDenied => {
            " (ports below 1024 take CAP_NET_BIND_SERVICE: choose a higher one)"
        }
        _ => "",
    }
}
