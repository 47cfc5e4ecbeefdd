//! Who is at an end of a connection: `self.client_address`.

use std::fmt;
use std::net::SocketAddr;

/// The address of a client or of the server.
///
/// It is printed as the server's own log prints it:
///
/// ```
/// use guest_sdk::{Address, UnixAddress, UnixName};
///
/// let unix = |name| Address::Unix(UnixAddress { name, peer: None }).to_string();
///
/// assert_eq!(Address::Ip(([127, 0, 0, 1], 4000).into()).to_string(), "127.0.0.1:4000");
/// assert_eq!(Address::Ip("[::1]:4000".parse()?).to_string(), "[::1]:4000");
/// assert_eq!(unix(UnixName::Path(b"/run/x.sock".to_vec())), "unix:/run/x.sock");
/// assert_eq!(unix(UnixName::Abstract(b"x".to_vec())), "unix:@x");
/// assert_eq!(unix(UnixName::Unnamed), "unix:");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 or IPv6 address and its port. A client that reached a dual-stack socket over IPv4 has an IPv4
    /// address.
    Ip(SocketAddr),
    /// A Unix socket.
    Unix(UnixAddress),
}

/// The name of a Unix socket and who holds it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnixAddress {
    /// How the socket is called.
    pub name: UnixName,
    /// Who is at the other end, where the kernel tells; always none for the server's own address.
    pub peer: Option<Credentials>,
}

/// The name of a Unix socket, as bytes: it need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// No name, as most clients of Unix sockets have none. Nothing can be sent to one.
    Unnamed,
    /// A path in the file system.
    Path(Vec<u8>),
    /// A name in Linux's abstract name space, without the zero byte that comes before it.
    Abstract(Vec<u8>),
}

/// The process at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// Its process identifier; none for a process of another name space.
    pub pid: Option<u32>,
    /// The user that it runs as.
    pub uid: u32,
    /// The group that it runs as.
    pub gid: u32,
}

impl Address {
    /// True for a Unix socket without a name, to which nothing can be sent.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        matches!(self, Self::Unix(unix) if unix.name == UnixName::Unnamed)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(address) => address.fmt(f),
        }
    }
}

impl fmt::Display for UnixAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            UnixName::Unnamed => f.write_str("unix:"),
            UnixName::Path(path) => write!(f, "unix:{}", Printable(path)),
            UnixName::Abstract(name) => write!(f, "unix:@{}", Printable(name)),
        }
    }
}

/// Bytes that somebody else chose, made fit for a line of a log: what is not UTF-8 is replaced, and what
/// would break the line or drive a terminal is escaped.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in String::from_utf8_lossy(self.0).chars() {
            if c.is_control() {
                c.escape_default().fmt(f)?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_the_line_that_it_is_printed_in() {
        let name = UnixName::Path(b"/tmp/\n\x1b[31m\xff".to_vec());
        let printed = UnixAddress { name, peer: None }.to_string();
        assert_eq!(printed, "unix:/tmp/\\n\\u{1b}[31m\u{fffd}");
    }

    #[test]
    fn only_a_unix_socket_without_a_name_is_unnamed() {
        let unix = |name| Address::Unix(UnixAddress { name, peer: None });
        assert!(unix(UnixName::Unnamed).is_unnamed());
        assert!(!unix(UnixName::Abstract(Vec::new())).is_unnamed());
        assert!(!Address::Ip(([127, 0, 0, 1], 1).into()).is_unnamed());
    }
}
