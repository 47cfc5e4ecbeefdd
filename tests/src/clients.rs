//! Clients of every transport, which never wait for longer than [`PATIENCE`](crate::PATIENCE).

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{self as unix, UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockRef, Socket, Type};
use tempfile::TempDir;

use crate::PATIENCE;

/// Where a server listens, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Streams over IP.
    Tcp(SocketAddr),
    /// Datagrams over IP.
    Udp(SocketAddr),
    /// Streams over a Unix socket.
    Unix(Name),
    /// Datagrams over a Unix socket.
    Unixgram(Name),
}

/// A Unix socket's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// In the file system.
    Path(PathBuf),
    /// In Linux's abstract name space.
    Abstract(String),
}

/// One client. A datagram's keeps its socket, so that all its answers come to it.
pub enum Client {
    /// Of tcp.
    Tcp(TcpStream),
    /// Of udp.
    Udp(UdpSocket),
    /// Of unix.
    Unix(UnixStream),
    /// Of unixgram, with the folder that its own socket is in.
    Unixgram(UnixDatagram, TempDir),
}

impl Address {
    /// Reads `tcp://127.0.0.1:41234`, `unix:///run/x.sock`, `unix:@name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (transport, place) = text.split_once(':')?;
        let place = place.strip_prefix("//").unwrap_or(place);
        let name = || match place.strip_prefix('@') {
            Some(name) => Name::Abstract(name.to_owned()),
            None => Name::Path(place.into()),
        };
        Some(match transport {
            "tcp" => Self::Tcp(place.parse().ok()?),
            "udp" => Self::Udp(place.parse().ok()?),
            "unix" => Self::Unix(name()),
            "unixgram" => Self::Unixgram(name()),
            _ => return None,
        })
    }

    /// The port, if it has one.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) | Self::Udp(address) => address.port(),
            Self::Unix(_) | Self::Unixgram(_) => panic!("{self:?} has no port"),
        }
    }

    /// The path, if it has one.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Unix(Name::Path(path)) | Self::Unixgram(Name::Path(path)) => path,
            _ => panic!("{self:?} has no path"),
        }
    }
}

impl Name {
    fn address(&self) -> io::Result<unix::SocketAddr> {
        match self {
            Self::Path(path) => unix::SocketAddr::from_pathname(path),
            Self::Abstract(name) => unix::SocketAddr::from_abstract_name(name),
        }
    }
}

impl Client {
    /// Connects to a server.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn connect(address: &Address) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
    }

    /// Connects to a server, which may refuse.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn try_connect(address: &Address) -> io::Result<Self> {
        let client = match address {
            Address::Tcp(address) => Self::Tcp(TcpStream::connect_timeout(address, PATIENCE)?),
            Address::Udp(address) => {
                let socket = match address {
                    SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
                    SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
                };
                socket.connect(address)?;
                Self::Udp(socket)
            }
            Address::Unix(name) => Self::Unix(UnixStream::connect_addr(&name.address()?)?),
            Address::Unixgram(name) => {
                // A client without a name could not be answered.
                let folder = tempfile::tempdir()?;
                let socket = UnixDatagram::bind(folder.path().join("client"))?;
                socket.connect_addr(&name.address()?)?;
                Self::Unixgram(socket, folder)
            }
        };
        client.patient()
    }

    /// Connects to a server of IP from a source of our own choice: all of 127.0.0.0/8 is this machine.
    ///
    /// # Panics
    ///
    /// If that fails.
    #[must_use]
    pub fn connect_from(source: Ipv4Addr, address: &Address) -> Self {
        let source = SocketAddr::from((source, 0));
        let client = match address {
            Address::Tcp(address) => tcp_from(source, address).map(Self::Tcp),
            Address::Udp(address) => UdpSocket::bind(source).and_then(|socket| {
                socket.connect(address)?;
                Ok(Self::Udp(socket))
            }),
            Address::Unix(_) | Address::Unixgram(_) => panic!("{address:?} is not of IP"),
        };
        let client = client.and_then(Self::patient);
        client.unwrap_or_else(|error| panic!("from {source} to {address:?}: {error}"))
    }

    /// The same client, which waits no longer than [`PATIENCE`].
    fn patient(self) -> io::Result<Self> {
        let socket = self.socket();
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(self)
    }

    fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(socket) => socket.into(),
            Self::Udp(socket) => socket.into(),
            Self::Unix(socket) => socket.into(),
            Self::Unixgram(socket, _) => socket.into(),
        }
    }

    /// True if it talks in datagrams.
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp(_) | Self::Unixgram(..))
    }

    /// Its own address and port.
    ///
    /// # Panics
    ///
    /// If it is one of a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let address = self.socket().local_addr().expect("it is bound");
        address.as_socket().expect("it is one of IP")
    }

    /// Sends a request and reads the whole answer: to the end of the stream, or one datagram.
    ///
    /// # Errors
    ///
    /// What the system says; none came in time: `WouldBlock`.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<String> {
        self.send(request)?;
        self.answer()
    }

    /// The rest of the stream, or one datagram, as text.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`].
    pub fn answer(&mut self) -> io::Result<String> {
        let answer = self.bytes()?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The rest of the stream, or one datagram.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`].
    pub fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        match self {
            Self::Tcp(socket) => drop(socket.read_to_end(&mut answer)?),
            Self::Unix(socket) => drop(socket.read_to_end(&mut answer)?),
            Self::Udp(_) | Self::Unixgram(..) => answer = self.receive()?,
        }
        Ok(answer)
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.write_all(bytes),
            Self::Unix(socket) => socket.write_all(bytes),
            Self::Udp(socket) => socket.send(bytes).map(drop),
            Self::Unixgram(socket, _) => socket.send(bytes).map(drop),
        }
    }

    /// Sends urgent data (`MSG_OOB`) over TCP; its last byte is the urgent one.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn send_urgent(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket().send_out_of_band(bytes).map(drop)
    }

    /// What one read gives: at most 64 KiB; nothing at the end of a stream.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`].
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65_536];
        let count = match self {
            Self::Tcp(socket) => socket.read(&mut buffer)?,
            Self::Unix(socket) => socket.read(&mut buffer)?,
            Self::Udp(socket) => socket.recv(&mut buffer)?,
            Self::Unixgram(socket, _) => socket.recv(&mut buffer)?,
        };
        buffer.truncate(count);
        Ok(buffer)
    }

    /// Exactly `count` bytes of a stream, as text.
    ///
    /// # Errors
    ///
    /// As [`Client::ask`]; `UnexpectedEof` if the stream ends earlier.
    pub fn exactly(&mut self, count: usize) -> io::Result<String> {
        let mut buffer = vec![0; count];
        match self {
            Self::Tcp(socket) => socket.read_exact(&mut buffer)?,
            Self::Unix(socket) => socket.read_exact(&mut buffer)?,
            Self::Udp(_) | Self::Unixgram(..) => panic!("a datagram comes whole"),
        }
        Ok(String::from_utf8_lossy(&buffer).into_owned())
    }

    /// Ends its side of a stream.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn half_close(&self) -> io::Result<()> {
        self.socket().shutdown(Shutdown::Write)
    }

    /// Ends a TCP connection by a reset.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn reset(self) -> io::Result<()> {
        self.socket().set_linger(Some(std::time::Duration::ZERO))
    }
}

fn tcp_from(source: SocketAddr, server: &SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(source), Type::STREAM, None)?;
    socket.bind(&source.into())?;
    socket.connect_timeout(&(*server).into(), PATIENCE)?;
    Ok(socket.into())
}
