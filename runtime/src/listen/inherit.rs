//! Sockets that somebody else has bound: systemd, an embedding program, a test.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use socket2::{Domain, Socket, Type};

use crate::address::Transport;

/// Takes a descriptor of this process by its number, as in `--bind fd:3`.
///
/// It belongs to the server from here on, and to no program that the server starts. Anything but a socket
/// is left alone.
pub(crate) fn take_descriptor(number: i32) -> io::Result<Socket> {
    let link = std::fs::read_link(format!("/proc/self/fd/{number}"))
        .map_err(|_| io::Error::from_raw_os_error(nix::libc::EBADF))?;
    if !link.to_string_lossy().starts_with("socket:") {
        return Err(io::Error::from_raw_os_error(nix::libc::ENOTSOCK));
    }
    let descriptor = own(number);
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(Socket::from(descriptor))
}

#[expect(
    unsafe_code,
    reason = "a number on the command line is the only name such a socket has"
)]
fn own(number: i32) -> OwnedFd {
    // SAFETY: it is an open socket, as just seen, and the operator who named it gave it away. The command
    // takes it before it starts an async runtime, so that none of that one's sockets can be meant; a program
    // that embeds the library gives an `OwnedFd` to `Server::from_socket` instead.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// What a socket would be called here.
pub(crate) fn transport_of(socket: &Socket) -> io::Result<Transport> {
    let unix = match socket.domain()? {
        Domain::UNIX => true,
        Domain::IPV4 | Domain::IPV6 => false,
        _ => return Err(io::Error::other("of an unknown family")),
    };
    match (unix, socket.r#type()?) {
        (false, Type::STREAM) => Ok(Transport::Tcp),
        (false, Type::DGRAM) => Ok(Transport::Udp),
        (true, Type::STREAM) => Ok(Transport::Unix),
        (true, Type::DGRAM) => Ok(Transport::Unixgram),
        _ => Err(io::Error::other("neither of streams nor of datagrams")),
    }
}
