//! Sockets between two processes of one server: whole messages, in order, with descriptors beside them, and an end
//! that is seen when the other side is gone (`SOCK_SEQPACKET` in unix(7), `SCM_RIGHTS` in unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most descriptors beside one message (`SCM_MAX_FD` in unix(7)).
pub(super) const MOST_DESCRIPTORS: usize = 253;

/// A message that has come, with its descriptors.
pub(super) struct Received<M> {
    pub(super) message: M,
    pub(super) descriptors: Vec<OwnedFd>,
}

/// Two ends of a new socket. They do not block, and no program that is started later has them.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let kind = SocketType::SEQPACKET;
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        kind,
        flags,
        None,
    )?)
}

/// Sends a message without waiting.
///
/// # Errors
///
/// `WouldBlock` if there is no room for it, `BrokenPipe` if the other side is gone.
pub(super) fn send(
    socket: &OwnedFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let bytes = encode(message)?;
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags)?;
    Ok(())
}

/// Sends a message, and waits for room if need be.
///
/// # Errors
///
/// As [`send`], but for `WouldBlock`.
pub(super) fn send_waiting(
    socket: &OwnedFd,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    loop {
        match send(socket, message, descriptors) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_for_room(socket)?;
            }
            sent => return sent,
        }
    }
}

/// Takes a message without waiting; none if the other side is gone.
///
/// # Errors
///
/// `WouldBlock` if there is no message, `InvalidData` if it is none of this program's.
pub(super) fn receive<M: DeserializeOwned>(socket: &OwnedFd) -> io::Result<Option<Received<M>>> {
    let mut bytes = vec![0; length_of_next(socket)?];
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut room);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let io = &mut [IoSliceMut::new(&mut bytes)];
    let length = rustix::net::recvmsg(socket, io, &mut control, flags)?.bytes;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    Ok(Some(Received {
        message: decode(bytes.get(..length).unwrap_or_default())?,
        descriptors,
    }))
}

/// The same for who is sent no descriptors, by calls with which none could be received.
///
/// # Errors
///
/// As [`receive`].
pub(super) fn receive_plain<M: DeserializeOwned>(socket: &OwnedFd) -> io::Result<Option<M>> {
    let mut bytes = vec![0; length_of_next(socket)?];
    if bytes.is_empty() {
        return Ok(None);
    }
    let (_, length) = rustix::net::recv(socket, bytes.as_mut_slice(), RecvFlags::DONTWAIT)?;
    decode(bytes.get(..length).unwrap_or_default()).map(Some)
}

/// The bytes of a message.
///
/// # Errors
///
/// If it cannot be written, as every message of this program can.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(message).map_err(io::Error::other)
}

/// The message that `bytes` are.
///
/// # Errors
///
/// `InvalidData` if they are none.
pub(super) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> io::Result<M> {
    postcard::from_bytes(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Bytes of the message that comes next; 0 if none ever does.
fn length_of_next(socket: &OwnedFd) -> io::Result<usize> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK | RecvFlags::TRUNC;
    let (_, length) = rustix::net::recv(socket, &mut [0_u8; 0], flags)?;
    Ok(length)
}

/// The same, and waits for a message if need be.
///
/// # Errors
///
/// As [`receive`], but for `WouldBlock`.
pub(super) fn receive_waiting<M: DeserializeOwned>(
    socket: &OwnedFd,
) -> io::Result<Option<Received<M>>> {
    loop {
        match receive(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_for(socket, PollFlags::IN, None)?;
            }
            received => return received,
        }
    }
}

/// The same, and waits for the first message no longer than `patience`.
///
/// # Errors
///
/// As [`receive`]; `WouldBlock` if none has come.
pub(super) fn receive_within<M: DeserializeOwned>(
    socket: &OwnedFd,
    patience: Duration,
) -> io::Result<Option<Received<M>>> {
    wait_for(socket, PollFlags::IN, Some(patience))?;
    receive(socket)
}

/// True if nobody is at the other end any more.
pub(super) fn has_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

/// Waits until there may be room for a message.
///
/// # Errors
///
/// As poll(2).
pub(super) fn wait_for_room(socket: &OwnedFd) -> io::Result<()> {
    wait_for(socket, PollFlags::OUT, None)
}

fn wait_for(socket: &OwnedFd, events: PollFlags, patience: Option<Duration>) -> io::Result<()> {
    let patience = patience.and_then(|patience| patience.try_into().ok());
    let mut sockets = [PollFd::new(socket, events)];
    match poll(&mut sockets, patience.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    #[test]
    fn messages_arrive_whole_with_their_descriptors_and_the_end_is_seen() {
        let (ours, theirs) = pair().expect("a pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        send(&ours, &("first", 1_u32), &[writer.as_fd()]).expect("room");
        send(&ours, &("second", 2_u32), &[]).expect("room");
        drop((ours, writer));

        let first = receive::<(String, u32)>(&theirs).expect("a message");
        let Received {
            message,
            descriptors,
        } = first.expect("not the end");
        assert_eq!(message, ("first".to_owned(), 1));
        let [writer] = <[OwnedFd; 1]>::try_from(descriptors).expect("one descriptor");
        File::from(writer).write_all(b"through").expect("a pipe");
        let mut read = String::new();
        reader.read_to_string(&mut read).expect("text");
        assert_eq!(read, "through");

        let second = receive::<(String, u32)>(&theirs).expect("a message");
        assert_eq!(second.expect("not the end").message.1, 2);
        assert!(receive::<()>(&theirs).expect("the end").is_none());
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let (ours, theirs) = pair().expect("a pair");
        assert_eq!(
            receive::<u32>(&theirs).err().map(|error| error.kind()),
            Some(io::ErrorKind::WouldBlock)
        );
        send(&ours, &u64::MAX, &[]).expect("room");
        assert_eq!(
            receive::<String>(&theirs).err().map(|error| error.kind()),
            Some(io::ErrorKind::InvalidData)
        );
    }
}
