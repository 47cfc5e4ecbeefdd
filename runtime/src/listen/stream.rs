//! `accept`, for TCP and for Unix sockets, that cannot fail.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::sys::socket::{getsockopt, sockopt};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Arrival;
use super::backoff::Backoff;
use super::bind::endpoint;
use crate::address::{ClientAddress, Credentials, Transport};
use crate::stream::Socket;
use crate::watched::watch;

/// Accepts connections. Clones accept from the same socket.
#[derive(Clone)]
pub(crate) struct StreamSource {
    listener: Arc<AsyncFd<OwnedFd>>,
    transport: Transport,
    no_delay: bool,
    backoff: Backoff,
}

impl StreamSource {
    pub(super) fn new(
        socket: socket2::Socket,
        transport: Transport,
        no_delay: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: Arc::new(watch(socket.into())?),
            transport,
            no_delay,
            backoff: Backoff::default(),
        })
    }

    pub(super) async fn accept(&mut self) -> (Arrival, ClientAddress) {
        loop {
            let accepted = self
                .listener
                .async_io(Interest::READABLE, |fd| SockRef::from(fd).accept())
                .await;
            match accepted {
                Ok((connection, address)) => {
                    self.backoff.recovered();
                    let client = ClientAddress {
                        endpoint: endpoint(&address),
                        credentials: self.credentials(&connection),
                    };
                    return (Arrival::Connection(self.socket(connection)), client);
                }
                Err(error) => self.backoff.failed(&error).await,
            }
        }
    }

    fn socket(&self, connection: socket2::Socket) -> Socket {
        if self.transport.is_unix() {
            return Socket::Unix(OwnedFd::from(connection).into());
        }
        if self.no_delay {
            // A connection that is gone already says so when it is read.
            drop(connection.set_tcp_nodelay(true));
        }
        Socket::Tcp(OwnedFd::from(connection).into())
    }

    /// Who connected: `SO_PEERCRED` in unix(7).
    fn credentials(&self, connection: &socket2::Socket) -> Option<Credentials> {
        if !self.transport.is_unix() {
            return None;
        }
        let peer = getsockopt(connection, sockopt::PeerCredentials).ok()?;
        Some(Credentials {
            pid: u32::try_from(peer.pid()).ok().filter(|pid| *pid != 0),
            uid: peer.uid(),
            gid: peer.gid(),
        })
    }
}
