//! Server and client addresses, parsed and printed one way.
//!
//! Three kinds of address meet here: what an operator asks for ([`BindAddress`]), where a server really
//! listens ([`ServerAddress`]), and who is at the other end ([`ClientAddress`]).

mod bind;

use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use bind::BindAddress;
pub(crate) use bind::Place;

use crate::text::harmless;

/// A transport, in the words of Go's package `net`.
///
/// ```
/// use runtime::Transport;
/// assert!("udp".parse::<Transport>().unwrap().is_datagram());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// Connections over IPv4 and IPv6: Python's `TCPServer`.
    Tcp,
    /// Packets over IPv4 and IPv6: Python's `UDPServer`.
    Udp,
    /// Connections over a Unix socket: Python's `UnixStreamServer`.
    Unix,
    /// Packets over a Unix socket: Python's `UnixDatagramServer`.
    Unixgram,
}

impl Transport {
    /// The word for this transport: `tcp`, `udp`, `unix` or `unixgram`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Unixgram => "unixgram",
        }
    }

    /// True where one packet is one request, false where one connection is.
    #[must_use]
    pub fn is_datagram(self) -> bool {
        matches!(self, Self::Udp | Self::Unixgram)
    }

    /// True where addresses are names in a file system or in Linux's abstract name space.
    #[must_use]
    pub fn is_unix(self) -> bool {
        matches!(self, Self::Unix | Self::Unixgram)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Transport {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "unix" => Ok(Self::Unix),
            "unixgram" => Ok(Self::Unixgram),
            _ => Err(AddressError::new(
                text,
                "the transports are tcp, udp, unix and unixgram",
            )),
        }
    }
}

/// An address that cannot be understood: what was given, and what would do.
///
/// ```
/// let error = "tcp://localhost".parse::<runtime::BindAddress>().unwrap_err();
/// assert!(error.to_string().contains("write HOST:PORT"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?}: {help}")]
pub struct AddressError {
    given: String,
    help: String,
}

impl AddressError {
    pub(super) fn new(given: &str, help: impl Into<String>) -> Self {
        Self {
            given: given.to_owned(),
            help: help.into(),
        }
    }
}

/// The name of a Unix socket (unix(7)).
///
/// ```
/// use runtime::UnixName;
/// assert!(UnixName::Abstract(b"name".to_vec()).path().is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnixName {
    /// No name: nothing can be sent to such a socket.
    Unnamed,
    /// A path in the file system.
    Path(#[serde(with = "path_bytes")] PathBuf),
    /// A name in Linux's abstract name space, without the zero byte in front.
    Abstract(Vec<u8>),
}

impl UnixName {
    /// The path, if it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Unnamed | Self::Abstract(_) => None,
        }
    }

    fn write_with(&self, scheme: Transport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnamed => write!(f, "{scheme}:"),
            Self::Path(path) => write!(f, "{scheme}://{}", harmless(path.as_os_str().as_bytes())),
            Self::Abstract(name) => write!(f, "{scheme}:@{}", harmless(name)),
        }
    }
}

/// Where a server listens: Python's `server_address`, with the transport.
///
/// Printed as `tcp://127.0.0.1:41234`, `unix:///run/x.sock`, `unixgram:@name`.
///
/// ```
/// use runtime::{Endpoint, ServerAddress, Transport};
/// let endpoint = Endpoint::Ip("127.0.0.1:41234".parse().unwrap());
/// let address = ServerAddress { transport: Transport::Tcp, endpoint };
/// assert_eq!(address.to_string(), "tcp://127.0.0.1:41234");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerAddress {
    /// The transport.
    pub transport: Transport,
    /// The place, after binding: never port 0.
    pub endpoint: Endpoint,
}

/// One end of a connection, or of a packet's way.
///
/// ```
/// use runtime::Endpoint;
/// let endpoint = Endpoint::Ip("[::1]:53".parse().unwrap());
/// assert_eq!(endpoint.ip().unwrap().port(), 53);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Endpoint {
    /// IPv4 or IPv6 and a port. An IPv4 client of a dual-stack socket is an IPv4 address.
    Ip(SocketAddr),
    /// A Unix socket.
    Unix(UnixName),
}

impl Endpoint {
    /// The address and port, if it is one of IP.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl ServerAddress {
    /// The address and port, if it is one of IP: what a client connects to.
    #[must_use]
    pub fn ip(&self) -> Option<SocketAddr> {
        self.endpoint.ip()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Ip(address) => write!(f, "{}://{address}", self.transport),
            Endpoint::Unix(name) => name.write_with(self.transport, f),
        }
    }
}

/// Who is at the other end of a Unix socket, where the kernel tells (`SO_PEERCRED` and `SCM_CREDENTIALS`
/// in unix(7)).
///
/// ```
/// use runtime::{ClientAddress, Credentials, Endpoint, UnixName};
/// let client = ClientAddress {
///     endpoint: Endpoint::Unix(UnixName::Unnamed),
///     credentials: Some(Credentials { pid: Some(1), uid: 2, gid: 3 }),
/// };
/// assert_eq!(client.to_string(), "unix: (pid 1, uid 2, gid 3)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Credentials {
    /// The process; none if it belongs to another name space.
    pub pid: Option<u32>,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// Who sent a request: Python's `client_address`.
///
/// Printed as `127.0.0.1:4000`, `[::1]:4000`, `unix:///run/client.sock`, `unix:@name`, or `unix:` for a
/// client without a name, followed by ` (pid 1, uid 2, gid 3)` where the kernel told.
///
/// ```
/// use runtime::ClientAddress;
/// use std::net::SocketAddr;
/// let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().unwrap();
/// assert_eq!(ClientAddress::from(mapped).to_string(), "10.0.0.1:5");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientAddress {
    /// The address.
    pub endpoint: Endpoint,
    /// The process behind it, for Unix sockets.
    pub credentials: Option<Credentials>,
}

impl From<SocketAddr> for ClientAddress {
    fn from(address: SocketAddr) -> Self {
        Self {
            endpoint: Endpoint::Ip(canonical(address)),
            credentials: None,
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Ip(address) => write!(f, "{address}")?,
            Endpoint::Unix(name) => name.write_with(Transport::Unix, f)?,
        }
        match &self.credentials {
            Some(Credentials { pid, uid, gid }) => {
                let pid = pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string());
                write!(f, " (pid {pid}, uid {uid}, gid {gid})")
            }
            None => Ok(()),
        }
    }
}

/// Paths as serde writes them here: any bytes, as Linux has them, where serde's own must be UTF-8.
mod path_bytes {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().as_bytes().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Ok(OsString::from_vec(Vec::deserialize(from)?).into())
    }
}

/// Turns an IPv4 address that a dual-stack socket wrapped in IPv6 back into an IPv4 address.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => {
            SocketAddr::new(v6.ip().to_canonical(), v6.port())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_an_ipv4_address() {
        let mapped: SocketAddr = "[::ffff:10.0.0.1]:5".parse().expect("address");
        assert_eq!(canonical(mapped).to_string(), "10.0.0.1:5");
    }
}
