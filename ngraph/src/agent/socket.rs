//! The agent's own socket, for `top`: bound before the fence, for its owner and group alone.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::{
        fs::FileTypeExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use log::debug;
use rustix::{
    fs::Mode,
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

use crate::{config::Socket, export::file::reason};

/// Clients that may wait to be accepted: `top` is started by hand.
const BACKLOG: i32 = 16;

/// A socket that is bound, and goes with this.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    listener: Option<UnixListener>,
}

/// Binds it where it was asked for; at the usual place, only where there is room for it.
///
/// # Errors
/// Where it was asked for by its path and can't be bound.
pub fn bind(socket: &Socket) -> Result<Option<Bound>> {
    let Some(path) = socket.path() else {
        return Ok(None);
    };
    match bind_at(path).with_context(|| format!("listen at {}", path.display())) {
        Ok(listener) => Ok(Some(Bound { path: path.to_owned(), listener: Some(listener) })),
        Err(err) if *socket == Socket::Auto => {
            debug!("no socket for ngraph top: {err:#}");
            Ok(None)
        }
        Err(err) => Err(err),
    }
}

fn bind_at(path: &Path) -> Result<UnixListener> {
    let listener = match bind_private(path) {
        Err(err) if err.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            bind_private(path)?
        }
        bound => bound.map_err(|err| anyhow!("{}{}", reason(&err), remedy(&err)))?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn remedy(err: &io::Error) -> &'static str {
    match err.kind() {
        ErrorKind::NotFound => " (make the folder, or choose another --socket)",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            " (choose another --socket, or `off`)"
        }
        _ => "",
    }
}

/// What it shows is for root and the agent's group, from the first moment: the file gets the
/// mode that its socket has, less the umask (`unix_bind_bsd` in
/// <https://github.com/torvalds/linux/blob/001a25088c35ab69bd4b2f208e47eb8acbce6353/net/unix/af_unix.c>),
/// and what the umask took is given back. Setting the umask instead would set it for what other
/// threads make meanwhile, too.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP;
    let socket =
        net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    rustix::fs::fchmod(&socket, mode)?;
    net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, mode)?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// A socket that nobody listens at is a crashed agent's.
fn remove_stale(path: &Path) -> Result<()> {
    if !fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        bail!("there is a file that is no socket (remove it, or choose another --socket)");
    }
    match UnixStream::connect(path) {
        Err(err) if err.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).context("remove the socket of an agent that is gone")
        }
        _ => bail!("another agent listens there (stop it, or choose another --socket)"),
    }
}

impl Bound {
    /// What is to be listened at; once.
    pub fn listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // The fence may have it stay: the next agent replaces it.
        if let Err(err) = fs::remove_file(&self.path) {
            debug!("remove {}: {err}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_socket_is_for_owner_and_group_and_goes_with_its_agent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        let bound = bind(&Socket::At(path.clone())).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_crashed_agents_socket_is_replaced_and_a_live_ones_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sock");
        drop(UnixListener::bind(&path).unwrap());
        let bound = bind(&Socket::At(path.clone())).unwrap().unwrap();
        let err = bind(&Socket::At(path.clone())).unwrap_err();
        assert!(format!("{err:#}").contains("another agent listens there"), "{err:#}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
        fs::write(&path, "precious").unwrap();
        let err = bind(&Socket::At(path.clone())).unwrap_err();
        assert!(format!("{err:#}").contains("no socket"), "{err:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn nowhere_is_nowhere() {
        assert!(bind(&Socket::Off).unwrap().is_none());
        let missing = Socket::At("/nonexistent/x.sock".into());
        assert!(bind(&missing).is_err());
    }
}
