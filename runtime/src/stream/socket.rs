//! What the bytes of a stream request move through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection that an embedding program accepted by itself: TLS, one end of a test's pair.
pub(crate) trait ForeignStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ForeignStream for T {}

/// The connection of one stream request.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Foreign(Box<dyn ForeignStream>),
}

/// Calls the same method of `AsyncWrite` on whichever stream it is.
macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Socket::Tcp(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Socket::Unix(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Socket::Foreign(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => poll_read_unix(stream, cx, buf),
            Self::Foreign(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

/// A read of a Unix socket ends at a message that carries descriptors, however much follows; tokio's own
/// `poll_read` takes every short read for the last one, and would wait for bytes that are there already.
fn poll_read_unix(
    stream: &UnixStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read(buf.initialize_unfilled()) {
            Ok(count) => {
                buf.advance(count);
                return Poll::Ready(Ok(()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }
}

impl Socket {
    /// `TCP_NODELAY`; an error of kind `Unsupported` where there is no such thing.
    pub(super) fn set_no_delay(&self, enabled: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(enabled),
            Self::Unix(_) | Self::Foreign(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}
