//! The file of a Unix socket: a stale one is replaced, a live one is left alone, ours is removed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket};

/// The file that one of our sockets is bound to. Dropping it removes the file, if it is still ours.
pub(crate) struct UnixFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl UnixFile {
    /// Binds `socket` to `path`.
    ///
    /// The mode is set on the socket before it is bound, so that nobody is let in too early; and on the
    /// file again, as the process's umask has taken bits away in between.
    pub(crate) fn bind(socket: &Socket, path: &Path, mode: Option<u32>) -> io::Result<Self> {
        remove_stale(socket, path)?;
        if let Some(mode) = mode {
            rustix::fs::fchmod(socket, rustix::fs::Mode::from_raw_mode(mode))?;
        }
        socket.bind(&SockAddr::unix(path)?)?;
        let file = Self {
            identity: identity(path)?,
            path: path.to_owned(),
        };
        if let Some(mode) = mode {
            fs::set_permissions(path, Permissions::from_mode(mode))?;
        }
        Ok(file)
    }
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Nothing can be done about a failure here, and the next start replaces a stale file.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Removes a socket that nobody listens on. Only a refused connection proves that: any other answer
/// (a full queue, another type of socket) means that somebody is there.
fn remove_stale(socket: &Socket, path: &Path) -> io::Result<()> {
    let in_use = || io::Error::from_raw_os_error(nix::libc::EADDRINUSE);
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        // As bind(2) would say it of a socket: something is there.
        return Err(io::Error::from_raw_os_error(nix::libc::EEXIST));
    }
    let probe = Socket::new(Domain::UNIX, socket.r#type()?, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.raw_os_error() == Some(nix::libc::ECONNREFUSED) => {}
        _ => return Err(in_use()),
    }
    if identity(path)? == (metadata.dev(), metadata.ino()) {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
