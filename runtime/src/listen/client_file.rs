//! The socket file of a client that sent a packet: the name that it gave is no proof that it is its own.
//!
//! Whoever sends a packet may have put something else under its name by the time that it is answered: a link to the socket of
//! somebody who trusts this server's user. So the file is opened, looked at, and what was opened is sent to. A client that
//! binds as one user and sends as another is not answered: nobody can tell it from one that lies.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::process::geteuid;

use crate::address::{Credentials, Endpoint, UnixName};

/// The socket of a client of another user, held open.
pub(super) struct ClientFile(OwnedFd);

impl ClientFile {
    /// Of a path, in an address (unix(7)).
    const ROOM: usize = 108;

    /// The socket at `path`; none if its name will do: its sender may reach whatever this process may, being this user or
    /// root, and it is no longer than a name that can be sent to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not the sender's own; what open(2) says.
    pub(super) fn open(path: &Path, sender: Option<Credentials>) -> io::Result<Option<Self>> {
        let Some(Credentials { uid, .. }) = sender else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let believed = uid == 0 || uid == geteuid().as_raw();
        if believed && path.as_os_str().len() < Self::ROOM {
            return Ok(None);
        }
        // What does not begin at the root was meant to begin elsewhere than here.
        if !path.is_absolute() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let file = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let found = fstat(&file)?;
        let is_socket = FileType::from_raw_mode(found.st_mode) == FileType::Socket;
        if is_socket && (believed || found.st_uid == uid) {
            Ok(Some(Self(file)))
        } else {
            Err(io::ErrorKind::NotConnected.into())
        }
    }

    /// A name of what was opened, as long as this is held.
    pub(super) fn endpoint(&self) -> Endpoint {
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        Endpoint::Unix(UnixName::Path(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn sender(uid: u32) -> Option<Credentials> {
        Some(Credentials {
            pid: None,
            uid,
            gid: uid,
        })
    }

    /// A user that is neither root nor this one.
    fn somebody() -> u32 {
        geteuid().as_raw() ^ 0x7000
    }

    #[track_caller]
    fn assert_not_its_own(path: &Path, sender: Option<Credentials>) {
        let refused = ClientFile::open(path, sender).err().expect("it is refused");
        assert_eq!(refused.kind(), io::ErrorKind::NotConnected, "{path:?}");
    }

    #[test]
    fn the_socket_of_another_user_than_the_sender_is_not_sent_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let _socket = UnixDatagram::bind(&path).expect("bound");
        assert_not_its_own(&path, sender(somebody()));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        assert_not_its_own(&link, sender(somebody()));
        assert_not_its_own(&path, None);
        assert_not_its_own(Path::new("socket"), sender(somebody()));
    }

    #[test]
    fn who_has_the_rights_of_this_process_is_believed() {
        let nowhere = Path::new("/nowhere");
        for uid in [0, geteuid().as_raw()] {
            let believed = ClientFile::open(nowhere, sender(uid)).expect("it is not looked at");
            assert!(believed.is_none());
        }
    }

    #[test]
    fn what_is_no_socket_is_not_sent_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "").expect("written");
        assert_not_its_own(&path, sender(somebody()));
    }

    /// Which takes a socket of somebody else's, and so root.
    #[test]
    fn the_senders_own_socket_is_sent_to() {
        if !geteuid().is_root() {
            println!("skipped: not root");
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let socket = UnixDatagram::bind(&path).expect("bound");
        std::os::unix::fs::chown(&path, Some(somebody()), None).expect("given away");
        let file = ClientFile::open(&path, sender(somebody()));
        let file = file.expect("its own").expect("of another user");
        let Endpoint::Unix(UnixName::Path(name)) = file.endpoint() else {
            panic!("a path")
        };
        let server = UnixDatagram::unbound().expect("a socket");
        server.send_to(b"answer", name).expect("sent");
        let mut buffer = [0; 10];
        assert_eq!(socket.recv(&mut buffer).expect("a packet"), 6);
    }
}
