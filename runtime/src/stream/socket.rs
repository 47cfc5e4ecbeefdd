//! What the bytes of a stream request move through.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::buffer::spare_capacity;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::address::Transport;
use crate::watched::watch;

/// A connection that an embedding program accepted by itself: TLS, one end of a test's pair.
pub(crate) trait ForeignStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ForeignStream for T {}

/// The connection of one stream request.
pub(crate) enum Socket {
    Tcp(KernelSocket),
    Unix(KernelSocket),
    Foreign(Box<dyn ForeignStream>),
}

/// A connected socket that does not block.
///
/// It is registered with the async runtime when something has to be waited for, which a short request never
/// does: what it wants to read has come by then, and what it writes has room.
pub(crate) struct KernelSocket {
    registration: Registration,
    /// Another process has it, too: closing it here ends nothing.
    shared: bool,
}

enum Registration {
    None(OwnedFd),
    /// For a moment, while it is being made; and for good, if it cannot be.
    Failed,
    Made(AsyncFd<OwnedFd>),
}

impl From<OwnedFd> for KernelSocket {
    fn from(fd: OwnedFd) -> Self {
        Self {
            registration: Registration::None(fd),
            shared: false,
        }
    }
}

impl KernelSocket {
    /// The descriptor, for what does not wait.
    fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match &self.registration {
            Registration::None(fd) => Ok(fd.as_fd()),
            Registration::Failed => Err(io::ErrorKind::NotConnected.into()),
            Registration::Made(fd) => Ok(fd.as_fd()),
        }
    }

    /// The socket as the async runtime knows it.
    fn registered(&mut self) -> io::Result<&AsyncFd<OwnedFd>> {
        if let Registration::None(_) = &self.registration
            && let Registration::None(fd) =
                std::mem::replace(&mut self.registration, Registration::Failed)
        {
            self.registration = Registration::Made(watch(fd)?);
        }
        match &self.registration {
            Registration::Made(fd) => Ok(fd),
            Registration::None(_) | Registration::Failed => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        if let Registration::None(fd) = &self.registration
            && let Some(done) = unless_blocked(recv(fd, buffer))
        {
            return Poll::Ready(done);
        }
        let fd = self.registered()?;
        loop {
            let mut ready = ready!(fd.poll_read_ready(cx))?;
            match unless_blocked(recv(fd, buffer)) {
                Some(done) => return Poll::Ready(done),
                // A short read says nothing: it ends at urgent data, and at descriptors, whatever follows.
                None => ready.clear_ready(),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Registration::None(fd) = &self.registration
            && let Some(done) = unless_blocked(send(fd, bytes))
        {
            return Poll::Ready(done);
        }
        let fd = self.registered()?;
        loop {
            let mut ready = ready!(fd.poll_write_ready(cx))?;
            match unless_blocked(send(fd, bytes)) {
                Some(done) => return Poll::Ready(done),
                None => ready.clear_ready(),
            }
        }
    }
}

/// None if the socket had nothing to read, or no room.
fn unless_blocked(done: io::Result<usize>) -> Option<io::Result<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        done => Some(done),
    }
}

/// One recv(2) into the free room of `buffer`.
fn recv(fd: impl AsFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(fd, spare_capacity(buffer), RecvFlags::DONTWAIT)?;
    Ok(count)
}

/// One send(2).
fn send(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    Ok(rustix::net::send(fd, bytes, flags)?)
}

impl Socket {
    /// A connection that another process accepted, and may hold for a while yet.
    pub(crate) fn handed_over(fd: OwnedFd, transport: Transport) -> Self {
        let socket = KernelSocket {
            registration: Registration::None(fd),
            shared: true,
        };
        if transport.is_unix() {
            Self::Unix(socket)
        } else {
            Self::Tcp(socket)
        }
    }

    /// The descriptor, to be handed over; the socket itself if nobody else can have it.
    pub(crate) fn into_descriptor(self) -> Result<OwnedFd, Self> {
        match self {
            Self::Tcp(KernelSocket {
                registration: Registration::None(fd),
                ..
            })
            | Self::Unix(KernelSocket {
                registration: Registration::None(fd),
                ..
            }) => Ok(fd),
            socket => Err(socket),
        }
    }

    /// Reads into the free room of `buffer`, of which there must be some; 0 at the end of the stream.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) | Self::Unix(socket) => socket.poll_recv(cx, buffer),
            Self::Foreign(stream) => poll_recv_foreign(stream, cx, buffer),
        }
    }

    /// The same without waiting: an error of kind `WouldBlock` if there is nothing yet.
    pub(super) fn try_recv(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) | Self::Unix(socket) => recv(socket.fd()?, buffer),
            Self::Foreign(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                match poll_recv_foreign(stream, &mut cx, buffer) {
                    Poll::Ready(done) => done,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Writes some of `bytes`.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) | Self::Unix(socket) => socket.poll_send(cx, bytes),
            Self::Foreign(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Only a stream of somebody else's may hold bytes back.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Foreign(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Ends the output.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(socket) | Self::Unix(socket) => {
                rustix::net::shutdown(socket.fd()?, rustix::net::Shutdown::Write)?;
                Poll::Ready(Ok(()))
            }
            Self::Foreign(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// `TCP_NODELAY`; an error of kind `Unsupported` where there is no such thing.
    pub(super) fn set_no_delay(&self, enabled: bool) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => Ok(rustix::net::sockopt::set_tcp_nodelay(
                socket.fd()?,
                enabled,
            )?),
            Self::Unix(_) | Self::Foreign(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// True if closing it ends its output properly; somebody else's stream may want to say goodbye.
    pub(super) fn ends_when_closed(&self) -> bool {
        match self {
            Self::Tcp(socket) | Self::Unix(socket) => !socket.shared,
            Self::Foreign(_) => false,
        }
    }
}

fn poll_recv_foreign(
    stream: &mut Box<dyn ForeignStream>,
    cx: &mut Context<'_>,
    buffer: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let before = buffer.len();
    buffer.resize(buffer.capacity(), 0);
    let mut room = ReadBuf::new(buffer.get_mut(before..).unwrap_or_default());
    let polled = Pin::new(stream).poll_read(cx, &mut room);
    let count = room.filled().len();
    buffer.truncate(before + count);
    polled.map_ok(|()| count)
}
