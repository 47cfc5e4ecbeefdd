//! Whom to ask: an address as a server prints it, made one that a client can connect to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net as unix;

use super::BenchError;
use crate::address::{BindAddress, Place as BindPlace, UnixName};

/// Whom to ask.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(super) place: Place,
    /// As it was given, with what it was resolved to if that is something else.
    text: String,
}

/// Where that is, in the form that the transport's sockets take.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(unix::SocketAddr),
    Unixgram(unix::SocketAddr),
}

impl Target {
    /// Makes `address` one to connect to: a name is resolved, and every interface means this machine's own.
    ///
    /// # Errors
    ///
    /// [`BenchError`] if a client cannot use it.
    pub(crate) fn resolve(address: &BindAddress) -> Result<Self, BenchError> {
        let mut text = address.to_string();
        let transport = address.transport();
        let place = match &address.place {
            BindPlace::Descriptor(_) => return Err(BenchError::Descriptor { address: text }),
            BindPlace::Host(_, 0) => return Err(BenchError::PortZero { address: text }),
            BindPlace::Host(host, port) => {
                let found = resolve(host, *port)?;
                if text != format!("{transport}://{found}") {
                    text = format!("{text} ({found})");
                }
                if transport.is_datagram() {
                    Place::Udp(found)
                } else {
                    Place::Tcp(found)
                }
            }
            BindPlace::Unix(name) => {
                let found = unix_address(name).map_err(|reason| BenchError::Resolve {
                    host: text.clone(),
                    reason,
                })?;
                if transport.is_datagram() {
                    Place::Unixgram(found)
                } else {
                    Place::Unix(found)
                }
            }
        };
        Ok(Self { place, text })
    }

    /// True if requests are datagrams.
    pub(crate) fn is_datagram(&self) -> bool {
        matches!(self.place, Place::Udp(_) | Place::Unixgram(_))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The address for a host and a port. Several: the first IPv4 one, which is where a server with that name is.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, BenchError> {
    if host.is_empty() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let failed = |reason| BenchError::Resolve {
        host: host.to_owned(),
        reason,
    };
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    let chosen = found.iter().find(|a| a.is_ipv4()).or(found.first());
    let mut chosen = *chosen.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    if chosen.ip().is_unspecified() {
        chosen.set_ip(match chosen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(chosen)
}

fn unix_address(name: &UnixName) -> io::Result<unix::SocketAddr> {
    match name {
        UnixName::Unnamed => unix::SocketAddr::from_pathname(""),
        UnixName::Path(path) => unix::SocketAddr::from_pathname(path),
        UnixName::Abstract(name) => unix::SocketAddr::from_abstract_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Result<String, BenchError> {
        Ok(Target::resolve(&text.parse().expect(text))?.to_string())
    }

    #[test]
    fn what_a_server_prints_can_be_asked() {
        for (printed, asked) in [
            ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9"),
            ("udp://[::1]:9", "udp://[::1]:9"),
            ("tcp://0.0.0.0:9", "tcp://0.0.0.0:9 (127.0.0.1:9)"),
            ("udp://[::]:9", "udp://[::]:9 ([::1]:9)"),
            ("tcp://:9", "tcp://:9 (127.0.0.1:9)"),
            ("unix:///run/x.sock", "unix:///run/x.sock"),
            ("unixgram:@name", "unixgram:@name"),
        ] {
            assert_eq!(target(printed).expect(printed), asked);
        }
    }

    #[test]
    fn what_only_a_server_can_use_says_so() {
        for (text, says) in [
            ("tcp://fd:3", "give the address that it prints"),
            ("tcp://127.0.0.1:0", "port 0"),
        ] {
            let error = target(text).expect_err(text).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
