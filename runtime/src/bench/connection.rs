//! A connection of a client: what it does, it does without waiting longer than one poll.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net as unix;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::target::Place;

/// A Unix listener whose queue is full cannot be waited for: it is tried again after this long.
const FULL_QUEUE: Duration = Duration::from_millis(1);

/// A connection to the server.
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What a kept connection has brought since the last reply.
pub(super) enum Since {
    /// Nothing, as it should be.
    Nothing,
    /// Its end.
    End,
    /// Bytes that nobody asked for.
    Bytes,
}

impl Connection {
    /// Connects to `place`.
    pub(super) async fn to(place: &Place) -> io::Result<Self> {
        match place {
            Place::Tcp(address) => connect_tcp(*address).await.map(Self::Tcp),
            Place::Unix(address) => connect_unix(address).await.map(Self::Unix),
            Place::Udp(_) | Place::Unixgram(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends what the kernel takes of `bytes`, and says how much that was.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Receives into `buffer`, and says how much: nothing at the end.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// What has come since the last reply.
    pub(super) async fn since(&mut self) -> Since {
        let mut byte = [0];
        match poll_fn(|cx| Poll::Ready(self.poll_receive(cx, &mut byte))).await {
            Poll::Pending => Since::Nothing,
            Poll::Ready(Ok(0) | Err(_)) => Since::End,
            Poll::Ready(Ok(_)) => Since::Bytes,
        }
    }

    /// Ends this side. That fails if the other side has ended everything: the next read tells.
    pub(super) fn end_output(&self) {
        let _ = match self {
            Self::Tcp(stream) => shutdown(stream, Shutdown::Write),
            Self::Unix(stream) => shutdown(stream, Shutdown::Write),
        };
    }
}

async fn connect_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_unix(address: &unix::SocketAddr) -> io::Result<UnixStream> {
    let address = address.clone().into();
    loop {
        match UnixStream::connect_addr(&address).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(FULL_QUEUE).await;
            }
            connected => return connected,
        }
    }
}
