//! From the contract's types to those of this crate, each in one place.

use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::bindings::stream::socketserver::handler::{server, types};
use crate::{Address, Credentials, ErrorCode, Schedule, Transport, UnixAddress, UnixName};

impl From<types::ErrorCode> for ErrorCode {
    fn from(code: types::ErrorCode) -> Self {
        match code {
            types::ErrorCode::ConnectionReset => Self::ConnectionReset,
            types::ErrorCode::BrokenPipe => Self::BrokenPipe,
            types::ErrorCode::TimedOut => Self::TimedOut,
            types::ErrorCode::LimitReached => Self::LimitReached,
            types::ErrorCode::AccessDenied => Self::AccessDenied,
            types::ErrorCode::NotConnected => Self::NotConnected,
            types::ErrorCode::MessageTooLong => Self::MessageTooLong,
            types::ErrorCode::NotSupported => Self::NotSupported,
            types::ErrorCode::InvalidArgument => Self::InvalidArgument,
            types::ErrorCode::InvalidState => Self::InvalidState,
            types::ErrorCode::Other => Self::Other,
        }
    }
}

impl From<types::Address> for Address {
    fn from(address: types::Address) -> Self {
        match address {
            types::Address::Ipv4(v4) => Self::Ip(v4.into()),
            types::Address::Ipv6(v6) => Self::Ip(v6.into()),
            types::Address::Unix(unix) => Self::Unix(unix.into()),
        }
    }
}

impl From<&Address> for types::Address {
    fn from(address: &Address) -> Self {
        match address {
            Address::Ip(SocketAddr::V4(v4)) => Self::Ipv4(types::Ipv4Address {
                octets: v4.ip().octets().into(),
                port: v4.port(),
            }),
            Address::Ip(SocketAddr::V6(v6)) => Self::Ipv6(types::Ipv6Address {
                segments: v6.ip().segments().into(),
                port: v6.port(),
                flow_info: v6.flowinfo(),
                scope_id: v6.scope_id(),
            }),
            Address::Unix(unix) => Self::Unix(types::UnixAddress {
                name: match &unix.name {
                    UnixName::Unnamed => types::UnixName::Unnamed,
                    UnixName::Path(path) => types::UnixName::Path(path.clone()),
                    UnixName::Abstract(name) => types::UnixName::AbstractName(name.clone()),
                },
                peer: None,
            }),
        }
    }
}

impl From<types::Ipv4Address> for SocketAddr {
    fn from(address: types::Ipv4Address) -> Self {
        let (a, b, c, d) = address.octets;
        Self::V4(SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), address.port))
    }
}

impl From<types::Ipv6Address> for SocketAddr {
    fn from(address: types::Ipv6Address) -> Self {
        let (a, b, c, d, e, f, g, h) = address.segments;
        let ip = Ipv6Addr::new(a, b, c, d, e, f, g, h);
        Self::V6(SocketAddrV6::new(
            ip,
            address.port,
            address.flow_info,
            address.scope_id,
        ))
    }
}

impl From<types::UnixAddress> for UnixAddress {
    fn from(address: types::UnixAddress) -> Self {
        let name = match address.name {
            types::UnixName::Unnamed => UnixName::Unnamed,
            types::UnixName::Path(path) => UnixName::Path(path),
            types::UnixName::AbstractName(name) => UnixName::Abstract(name),
        };
        let peer = address.peer.map(|peer| Credentials {
            pid: peer.pid,
            uid: peer.uid,
            gid: peer.gid,
        });
        Self { name, peer }
    }
}

impl From<Shutdown> for types::ShutdownType {
    fn from(how: Shutdown) -> Self {
        match how {
            Shutdown::Read => Self::Receive,
            Shutdown::Write => Self::Send,
            Shutdown::Both => Self::Both,
        }
    }
}

impl From<server::TransportType> for Transport {
    fn from(transport: server::TransportType) -> Self {
        match transport {
            server::TransportType::Tcp => Self::Tcp,
            server::TransportType::Udp => Self::Udp,
            server::TransportType::Unix => Self::Unix,
            server::TransportType::Unixgram => Self::Unixgram,
        }
    }
}

impl From<server::ScheduleType> for Schedule {
    fn from(schedule: server::ScheduleType) -> Self {
        match schedule {
            server::ScheduleType::Sync => Self::Sync,
            server::ScheduleType::Threaded => Self::Threaded,
            server::ScheduleType::Forking => Self::Forking,
        }
    }
}
