//! `accept`, for TCP and for Unix sockets, that cannot fail.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::Arrival;
use crate::address::{ClientAddress, Credentials, Endpoint, UnixName};
use crate::stream::Socket;

/// Accepts TCP connections.
pub(crate) struct TcpSource {
    listener: TcpListener,
    no_delay: bool,
    backoff: Backoff,
}

impl TcpSource {
    pub(super) fn new(socket: socket2::Socket, no_delay: bool) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(socket.into())?,
            no_delay,
            backoff: Backoff::default(),
        })
    }

    pub(super) async fn accept(&mut self) -> (Arrival, ClientAddress) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.backoff.recovered();
                    if self.no_delay {
                        // A connection that is gone already says so when it is read.
                        drop(stream.set_nodelay(true));
                    }
                    return (Arrival::Connection(Socket::Tcp(stream)), address.into());
                }
                Err(error) => self.backoff.failed(&error).await,
            }
        }
    }
}

/// Accepts connections of a Unix socket.
pub(crate) struct UnixSource {
    listener: UnixListener,
    backoff: Backoff,
}

impl UnixSource {
    pub(super) fn new(socket: socket2::Socket) -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::from_std(socket.into())?,
            backoff: Backoff::default(),
        })
    }

    pub(super) async fn accept(&mut self) -> (Arrival, ClientAddress) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    self.backoff.recovered();
                    let client = ClientAddress {
                        endpoint: Endpoint::Unix(unix_name(&address.into())),
                        credentials: credentials(&stream),
                    };
                    return (Arrival::Connection(Socket::Unix(stream)), client);
                }
                Err(error) => self.backoff.failed(&error).await,
            }
        }
    }
}

fn unix_name(address: &std::os::unix::net::SocketAddr) -> UnixName {
    if let Some(path) = address.as_pathname() {
        UnixName::Path(path.to_owned())
    } else if let Some(name) = address.as_abstract_name() {
        UnixName::Abstract(name.to_vec())
    } else {
        UnixName::Unnamed
    }
}

fn credentials(stream: &UnixStream) -> Option<Credentials> {
    let peer = stream.peer_cred().ok()?;
    Some(Credentials {
        pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()),
        uid: peer.uid(),
        gid: peer.gid(),
    })
}

/// What to do when `accept` or `recvmsg` fails.
///
/// What concerns one client only is passed over. A machine that has run out of something (descriptors,
/// memory) gets time to recover, since trying again at once would spin; it is said once, not each time.
#[derive(Default)]
pub(super) struct Backoff {
    troubled: bool,
}

impl Backoff {
    const PAUSE: Duration = Duration::from_millis(100);

    pub(super) async fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(
            error.kind(),
            ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
        ) {
            return;
        }
        if !self.troubled {
            tracing::error!("cannot take requests: {error}; trying again until it works");
            self.troubled = true;
        }
        tokio::time::sleep(Self::PAUSE).await;
    }

    pub(super) fn recovered(&mut self) {
        if self.troubled {
            tracing::info!("taking requests again");
            self.troubled = false;
        }
    }
}
