//! What the host answers when a guest calls the contract in `wit/handler.wit`.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::{Engine, Error, Result};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::bindings::server::{self, ScheduleType, TransportType};
use super::bindings::types::{
    self, Address, Credentials, ErrorCode, Ipv4Address, Ipv6Address, ShutdownType, UnixAddress,
};
use super::bindings::{datagram, stream};
use super::files;
use super::guest::{DatagramRequest, Guest, StreamRequest};
use super::sockets;
use crate::address::{self, ClientAddress, Endpoint};
use crate::config;
use crate::replies::NotSent;
use crate::stream::{Connection, Failure, Half, Rfile, Wfile};

/// Everything that a handler may import: the contract, and WASI 0.2.
pub(super) fn linker(engine: &Engine) -> Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    sockets::add_to_linker(&mut linker)?;
    files::add_to_linker(&mut linker)?;
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    server::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    Ok(linker)
}

/// The entries of the contract, resolved once for each server.
pub(super) type StreamEntry = stream::StreamServicePre<Guest>;
pub(super) type DatagramEntry = datagram::DatagramServicePre<Guest>;

impl types::Host for Guest {
    fn stream_error_code(&mut self, error: Resource<Error>) -> Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        Ok(error
            .downcast_ref::<Failure>()
            .map(|failure| (*failure).into()))
    }
}

impl types::HostStreamRequest for Guest {
    fn client_address(&mut self, request: Resource<StreamRequest>) -> Result<Address> {
        Ok(client(&self.table.get(&request)?.client_address))
    }

    async fn recv(
        &mut self,
        request: Resource<StreamRequest>,
        max: u64,
    ) -> Result<Result<Vec<u8>, ErrorCode>> {
        let connection = self.connection(&request)?;
        let received = connection
            .recv(usize::try_from(max).unwrap_or(usize::MAX))
            .await;
        Ok(received.map(Vec::from).map_err(ErrorCode::from))
    }

    async fn send(
        &mut self,
        request: Resource<StreamRequest>,
        bytes: Vec<u8>,
    ) -> Result<Result<u64, ErrorCode>> {
        let connection = self.connection(&request)?;
        let sent = connection.send(&bytes).await;
        Ok(sent.map(|count| count as u64).map_err(ErrorCode::from))
    }

    fn shutdown(
        &mut self,
        request: Resource<StreamRequest>,
        how: ShutdownType,
    ) -> Result<Result<(), ErrorCode>> {
        let half = match how {
            ShutdownType::Receive => Half::Receive,
            ShutdownType::Send => Half::Send,
            ShutdownType::Both => Half::Both,
        };
        Ok(self
            .connection(&request)?
            .shutdown(half)
            .map_err(ErrorCode::from))
    }

    fn set_timeout(
        &mut self,
        request: Resource<StreamRequest>,
        nanoseconds: Option<u64>,
    ) -> Result<Result<(), ErrorCode>> {
        if nanoseconds == Some(0) {
            return Ok(Err(ErrorCode::InvalidArgument));
        }
        let timeout = nanoseconds.map(Duration::from_nanos);
        self.connection(&request)?.set_timeout(timeout);
        Ok(Ok(()))
    }

    fn set_no_delay(
        &mut self,
        request: Resource<StreamRequest>,
        enabled: bool,
    ) -> Result<Result<(), ErrorCode>> {
        let connection = self.connection(&request)?;
        Ok(connection.set_no_delay(enabled).map_err(ErrorCode::from))
    }

    fn rfile(
        &mut self,
        request: Resource<StreamRequest>,
    ) -> Result<Result<Resource<DynInputStream>, ErrorCode>> {
        let request = self.table.get_mut(&request)?;
        if std::mem::replace(&mut request.rfile_taken, true) {
            return Ok(Err(ErrorCode::InvalidState));
        }
        let rfile: DynInputStream = Box::new(Rfile::new(request.connection.clone()));
        Ok(Ok(self.table.push(rfile)?))
    }

    fn wfile(
        &mut self,
        request: Resource<StreamRequest>,
    ) -> Result<Result<Resource<DynOutputStream>, ErrorCode>> {
        let request = self.table.get_mut(&request)?;
        if std::mem::replace(&mut request.wfile_taken, true) {
            return Ok(Err(ErrorCode::InvalidState));
        }
        let wfile: DynOutputStream = Box::new(Wfile::new(request.connection.clone()));
        Ok(Ok(self.table.push(wfile)?))
    }

    fn drop(&mut self, request: Resource<StreamRequest>) -> Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl types::HostDatagramRequest for Guest {
    fn client_address(&mut self, request: Resource<DatagramRequest>) -> Result<Address> {
        Ok(client(&self.table.get(&request)?.client_address))
    }

    fn server_address(&mut self, request: Resource<DatagramRequest>) -> Result<Address> {
        let request = self.table.get(&request)?;
        Ok(address(&request.packet.server_address, None))
    }

    fn packet(&mut self, request: Resource<DatagramRequest>) -> Result<Vec<u8>> {
        Ok(self.table.get(&request)?.packet.bytes.to_vec())
    }

    fn truncated(&mut self, request: Resource<DatagramRequest>) -> Result<bool> {
        Ok(self.table.get(&request)?.packet.truncated)
    }

    async fn send(
        &mut self,
        request: Resource<DatagramRequest>,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ErrorCode>> {
        let request = self.table.get(&request)?;
        let client = &request.client_address.endpoint;
        let sent = request.replies.send(bytes, client).await;
        Ok(sent.map_err(ErrorCode::from))
    }

    async fn send_to(
        &mut self,
        request: Resource<DatagramRequest>,
        to: Address,
        bytes: Vec<u8>,
    ) -> Result<Result<(), ErrorCode>> {
        let to = endpoint(to);
        let client = &self.table.get(&request)?.client_address.endpoint;
        if to != *client && !self.may_send_to(&to) {
            return Ok(Err(ErrorCode::AccessDenied));
        }
        if is_of_another_kind(&self.about.server_address.endpoint, &to) {
            return Ok(Err(ErrorCode::NotSupported));
        }
        let sent = self.table.get(&request)?.replies.send(bytes, &to).await;
        Ok(sent.map_err(ErrorCode::from))
    }

    fn drop(&mut self, request: Resource<DatagramRequest>) -> Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl server::Host for Guest {
    fn server_address(&mut self) -> Result<Address> {
        Ok(address(&self.about.server_address.endpoint, None))
    }

    fn transport(&mut self) -> Result<TransportType> {
        Ok(match self.about.server_address.transport {
            address::Transport::Tcp => TransportType::Tcp,
            address::Transport::Udp => TransportType::Udp,
            address::Transport::Unix => TransportType::Unix,
            address::Transport::Unixgram => TransportType::Unixgram,
        })
    }

    fn schedule(&mut self) -> Result<ScheduleType> {
        Ok(match self.about.schedule {
            config::Schedule::Sync => ScheduleType::Sync,
            config::Schedule::Threaded => ScheduleType::Threaded,
            config::Schedule::Forking => ScheduleType::Forking,
        })
    }

    fn handler_name(&mut self) -> Result<String> {
        Ok(self.about.handler_name.clone())
    }

    fn request_id(&mut self) -> Result<u64> {
        Ok(self.request_id)
    }
}

impl Guest {
    /// Whether a packet may be sent to somebody who is not the client. Unix sockets have no such grant.
    fn may_send_to(&mut self, to: &Endpoint) -> bool {
        match to {
            Endpoint::Ip(to) => self.reach().may_send_to(*to),
            Endpoint::Unix(_) => self
                .reach()
                .deny(|| "send to another unix socket".to_owned()),
        }
    }

    fn connection(&self, request: &Resource<StreamRequest>) -> Result<Connection> {
        Ok(self.table.get(request)?.connection.clone())
    }
}

impl From<Failure> for ErrorCode {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Reset => Self::ConnectionReset,
            Failure::BrokenPipe => Self::BrokenPipe,
            Failure::TimedOut => Self::TimedOut,
            Failure::LimitReached => Self::LimitReached,
            Failure::NotSupported => Self::NotSupported,
            Failure::Other => Self::Other,
        }
    }
}

/// True if a socket that is bound to `bound` has no way to write the address `to`.
fn is_of_another_kind(bound: &Endpoint, to: &Endpoint) -> bool {
    matches!(
        (bound, to),
        (
            Endpoint::Ip(SocketAddr::V4(_)),
            Endpoint::Ip(SocketAddr::V6(_))
        ) | (Endpoint::Unix(_), Endpoint::Ip(_))
    )
}

impl From<NotSent> for ErrorCode {
    fn from(not_sent: NotSent) -> Self {
        match not_sent {
            NotSent::LimitReached => Self::LimitReached,
            NotSent::TimedOut => Self::TimedOut,
            NotSent::NotConnected => Self::NotConnected,
            NotSent::TooLong => Self::MessageTooLong,
            NotSent::Denied => Self::AccessDenied,
            NotSent::Other => Self::Other,
        }
    }
}

fn client(client: &ClientAddress) -> Address {
    address(&client.endpoint, client.credentials)
}

fn address(endpoint: &Endpoint, peer: Option<address::Credentials>) -> Address {
    match endpoint {
        Endpoint::Ip(SocketAddr::V4(v4)) => Address::Ipv4(Ipv4Address {
            octets: v4.ip().octets().into(),
            port: v4.port(),
        }),
        Endpoint::Ip(SocketAddr::V6(v6)) => Address::Ipv6(Ipv6Address {
            segments: v6.ip().segments().into(),
            port: v6.port(),
            flow_info: v6.flowinfo(),
            scope_id: v6.scope_id(),
        }),
        Endpoint::Unix(name) => Address::Unix(UnixAddress {
            name: match name {
                address::UnixName::Unnamed => types::UnixName::Unnamed,
                address::UnixName::Path(path) => {
                    types::UnixName::Path(path.as_os_str().as_bytes().to_vec())
                }
                address::UnixName::Abstract(name) => types::UnixName::AbstractName(name.clone()),
            },
            peer: peer.map(|peer| Credentials {
                pid: peer.pid,
                uid: peer.uid,
                gid: peer.gid,
            }),
        }),
    }
}

/// An address as the guest wrote it, in the form in which clients' addresses are kept.
fn endpoint(address: Address) -> Endpoint {
    match address {
        Address::Ipv4(v4) => {
            let ip = Ipv4Addr::from(<[u8; 4]>::from(v4.octets));
            Endpoint::Ip(SocketAddr::from((ip, v4.port)))
        }
        Address::Ipv6(v6) => {
            let ip = Ipv6Addr::from(<[u16; 8]>::from(v6.segments));
            let v6 = SocketAddrV6::new(ip, v6.port, v6.flow_info, v6.scope_id);
            Endpoint::Ip(address::canonical(v6.into()))
        }
        Address::Unix(unix) => Endpoint::Unix(match unix.name {
            types::UnixName::Unnamed => address::UnixName::Unnamed,
            types::UnixName::Path(path) => address::UnixName::Path(OsString::from_vec(path).into()),
            types::UnixName::AbstractName(name) => address::UnixName::Abstract(name),
        }),
    }
}
