//! Requests in datagrams: one there, one back.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net as unix;
use std::time::Instant;

use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recv, socket_with,
};
use tokio::io::Interest;
use tokio::net::{UdpSocket, UnixDatagram};

use super::tally::{Failure, Traffic};
use super::target::Place;
use super::{Desk, Run};

/// A client's socket, which is kept until a request fails: a late reply is not taken for the next one's.
#[derive(Default)]
pub(super) struct Datagrams {
    kept: Option<Socket>,
}

/// A connected socket, with an address of its own.
enum Socket {
    Udp(UdpSocket),
    Unixgram(UnixDatagram),
}

impl Datagrams {
    /// Makes one request, and says when the reply came.
    pub(super) async fn ask(
        &mut self,
        run: &Run,
        desk: &Desk,
        traffic: &mut Traffic,
    ) -> Result<Instant, Failure> {
        let socket = self.socket(&run.plan.target.place).await?;
        traffic.connected = true;
        traffic.sent = socket.send(&run.plan.payload).await? as u64;
        let checked = socket.receive(desk, |reply| {
            traffic.received = reply.len() as u64;
            run.plan.expected.check_datagram(reply)
        });
        checked.await??;
        let answered = Instant::now();
        run.is_reached();
        self.kept = Some(socket);
        Ok(answered)
    }

    /// The socket that was kept, if nothing has come to it since, or a new one.
    async fn socket(&mut self, place: &Place) -> Result<Socket, Failure> {
        if let Some(socket) = self.kept.take() {
            match socket.has_received() {
                Ok(false) => return Ok(socket),
                Ok(true) => return Err(Failure::unasked()),
                Err(_) => {}
            }
        }
        let connected = Socket::connect(place).await;
        connected.map_err(|error| Failure::to_connect(&error))
    }
}

impl Socket {
    async fn connect(place: &Place) -> io::Result<Self> {
        match place {
            Place::Udp(address) => connect_udp(*address).await.map(Self::Udp),
            Place::Unixgram(address) => connect_unixgram(address).map(Self::Unixgram),
            Place::Tcp(_) | Place::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    async fn send(&self, packet: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send(packet).await,
            Self::Unixgram(socket) => socket.send(packet).await,
        }
    }

    /// Waits for a datagram, or for word that nobody is there, and lets `take` have it.
    async fn receive<T>(&self, desk: &Desk, mut take: impl FnMut(&[u8]) -> T) -> io::Result<T> {
        let receive = || {
            let mut buffer = desk.buffer.borrow_mut();
            let (_, count) = recv(self, &mut **buffer, RecvFlags::empty())?;
            Ok(take(buffer.get(..count).unwrap_or_default()))
        };
        // What ICMP brings is an error of the socket, and nothing to read.
        let interest = Interest::READABLE | Interest::ERROR;
        match self {
            Self::Udp(socket) => socket.async_io(interest, receive).await,
            Self::Unixgram(socket) => socket.async_io(interest, receive).await,
        }
    }

    /// True if a datagram is there that nobody has asked for.
    fn has_received(&self) -> io::Result<bool> {
        let receive = || Ok(recv(self, &mut [0], RecvFlags::empty())?);
        let received = match self {
            Self::Udp(socket) => socket.try_io(Interest::READABLE, receive),
            Self::Unixgram(socket) => socket.try_io(Interest::READABLE, receive),
        };
        match received {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Unixgram(socket) => socket.as_fd(),
        }
    }
}

async fn connect_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?,
    };
    socket.connect(address).await?;
    Ok(socket)
}

/// A client without a name could not be answered: the kernel chooses one (autobind in unix(7)).
fn connect_unixgram(address: &unix::SocketAddr) -> io::Result<UnixDatagram> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new_unnamed())?;
    let socket = unix::UnixDatagram::from(socket);
    socket.connect_addr(address)?;
    UnixDatagram::from_std(socket)
}
