//! Python's `server_bind`: from an address to a bound socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use socket2::{Domain, SockAddr, Socket, Type};

use super::datagram::ask_for_details;
use super::{Listener, UnixFile};
use crate::address::{BindAddress, Endpoint, Place, ServerAddress, Transport, UnixName, canonical};
use crate::config::ServerConfig;
use crate::error::BindError;

impl Listener {
    /// Creates and binds the socket. It does not listen yet: see [`Listener::server_activate`].
    pub(crate) fn server_bind(
        address: &BindAddress,
        config: &ServerConfig,
    ) -> Result<Self, BindError> {
        match &address.place {
            Place::Host(host, port) => {
                let wanted = resolve(host, *port)?;
                bind_ip(wanted, address.transport(), config)
                    .map_err(|reason| socket_error(address, reason))
            }
            Place::Unix(name) => bind_unix(name, address.transport(), config)
                .map_err(|reason| socket_error(address, reason)),
            Place::Descriptor(number) => {
                let socket = super::inherit::take_descriptor(*number)
                    .map_err(|reason| socket_error(address, reason))?;
                Self::from_bound(socket, address.transport())
            }
        }
    }

    fn new(socket: Socket, transport: Transport, file: Option<UnixFile>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            address: ServerAddress {
                transport,
                endpoint: endpoint(&socket.local_addr()?),
            },
            socket,
            _file: file,
        })
    }

    /// Takes a socket that is bound already, after a look at what it is.
    pub(crate) fn from_bound(socket: Socket, transport: Transport) -> Result<Self, BindError> {
        let wrong = |reason: String| BindError::WrongSocket { transport, reason };
        let found = super::inherit::transport_of(&socket)
            .map_err(|error| wrong(format!("it is not a socket ({error})")))?;
        if found != transport {
            return Err(wrong(format!(
                "it is one of {found}; choose --proto {found}"
            )));
        }
        let listener = Self::new(socket, transport, None).map_err(|e| wrong(e.to_string()))?;
        if transport.is_datagram() {
            let wildcard = |ip: SocketAddr| ip.ip().is_unspecified();
            ask_for_details(
                &listener.socket,
                listener.address.ip().is_some_and(wildcard),
            )
            .map_err(|e| wrong(e.to_string()))?;
        }
        match listener.address.endpoint {
            Endpoint::Ip(address) if address.port() == 0 => {
                Err(wrong("it is not bound; bind it first".to_owned()))
            }
            Endpoint::Unix(UnixName::Unnamed) => {
                Err(wrong("it is not bound; bind it first".to_owned()))
            }
            Endpoint::Ip(_) | Endpoint::Unix(_) => Ok(listener),
        }
    }
}

/// The address for a host and a port. Several: the first IPv4 one, as Go's `net.Listen` takes it.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, BindError> {
    if host.is_empty() {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    let failed = |reason| BindError::Resolve {
        host: host.to_owned(),
        reason,
    };
    let found: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    let chosen = found.iter().find(|a| a.is_ipv4()).or(found.first());
    let chosen = *chosen.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    if found.len() > 1 {
        tracing::info!(
            "{host} has {} addresses, taking {}",
            found.len(),
            chosen.ip()
        );
    }
    Ok(chosen)
}

fn bind_ip(
    wanted: SocketAddr,
    transport: Transport,
    config: &ServerConfig,
) -> io::Result<Listener> {
    let everywhere = wanted.ip() == Ipv6Addr::UNSPECIFIED;
    let socket = match open_ip(wanted, transport, config) {
        // A machine without IPv6 still has every interface of IPv4.
        Err(error) if everywhere && error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
            open_ip(
                (Ipv4Addr::UNSPECIFIED, wanted.port()).into(),
                transport,
                config,
            )?
        }
        other => other?,
    };
    Listener::new(socket, transport, None)
}

fn open_ip(wanted: SocketAddr, transport: Transport, config: &ServerConfig) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(wanted), kind(transport), None)?;
    if wanted.is_ipv6() {
        socket.set_only_v6(wanted.ip() != Ipv6Addr::UNSPECIFIED)?;
    }
    let reuse = config
        .allow_reuse_address
        .unwrap_or(transport == Transport::Tcp);
    socket.set_reuse_address(reuse)?;
    socket.set_reuse_port(config.allow_reuse_port)?;
    set_buffers(&socket, config)?;
    if transport.is_datagram() {
        ask_for_details(&socket, wanted.ip().is_unspecified())?;
    }
    socket.bind(&wanted.into())?;
    Ok(socket)
}

fn bind_unix(name: &UnixName, transport: Transport, config: &ServerConfig) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, kind(transport), None)?;
    set_buffers(&socket, config)?;
    if transport.is_datagram() {
        ask_for_details(&socket, false)?;
    }
    let file = match name {
        UnixName::Path(path) => Some(UnixFile::bind(&socket, path, config.socket_mode)?),
        UnixName::Abstract(name) => {
            let mut zero_first = vec![0];
            zero_first.extend_from_slice(name);
            let text = std::str::from_utf8(&zero_first).map_err(io::Error::other)?;
            socket.bind(&SockAddr::unix(text)?)?;
            None
        }
        UnixName::Unnamed => return Err(io::ErrorKind::InvalidInput.into()),
    };
    Listener::new(socket, transport, file)
}

fn kind(transport: Transport) -> Type {
    if transport.is_datagram() {
        Type::DGRAM
    } else {
        Type::STREAM
    }
}

/// Before binding, so that every connection inherits them.
fn set_buffers(socket: &Socket, config: &ServerConfig) -> io::Result<()> {
    if let Some(bytes) = config.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = config.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    Ok(())
}

/// What the kernel says about an end of a socket, in this crate's words.
pub(super) fn endpoint(address: &SockAddr) -> Endpoint {
    if let Some(ip) = address.as_socket() {
        return Endpoint::Ip(canonical(ip));
    }
    Endpoint::Unix(if let Some(path) = address.as_pathname() {
        UnixName::Path(path.to_owned())
    } else if let Some(name) = address.as_abstract_namespace() {
        UnixName::Abstract(name.to_vec())
    } else {
        UnixName::Unnamed
    })
}

fn socket_error(address: &BindAddress, reason: io::Error) -> BindError {
    let help = match reason.raw_os_error() {
        Some(nix::libc::EADDRINUSE) => "another program is there: stop it, or bind elsewhere",
        Some(nix::libc::EEXIST) => "what is there is no socket: remove it, or bind elsewhere",
        Some(nix::libc::EADDRNOTAVAIL) => "this machine has no such address",
        Some(nix::libc::EACCES | nix::libc::EPERM) if address.transport().is_unix() => {
            "this user may not write there: choose another folder"
        }
        Some(nix::libc::EACCES | nix::libc::EPERM) => {
            "this user may not: choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
        }
        Some(nix::libc::ENOENT | nix::libc::ENOTDIR) => "the folder does not exist: make it first",
        Some(nix::libc::EBADF) => "no such descriptor is open in this process",
        Some(nix::libc::ENOTSOCK) => "the descriptor is not a socket",
        _ => "look at the address and this user's permissions",
    };
    BindError::Socket {
        address: Box::new(address.clone()),
        reason,
        help,
    }
}
