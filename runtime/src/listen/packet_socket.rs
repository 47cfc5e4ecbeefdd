//! A datagram socket, and the way out of it: from the address that a client's packet came to.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, UnixAddr, sendmmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use crate::address::{Endpoint, ServerAddress, UnixName};
use crate::watched::watch;

/// A call never waits, and a client that is gone is an error, not a signal.
const FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// A bound datagram socket, registered with the async runtime. What is received and sent goes through the
/// descriptor, since tokio's own calls know neither the address that a packet came to nor whether it was cut
/// short.
pub(crate) struct PacketSocket {
    pub(super) socket: AsyncFd<OwnedFd>,
    pub(super) address: ServerAddress,
    /// Bound to every interface, so that only the packet itself tells which address it came to.
    pub(super) wildcard: bool,
}

/// A packet to a client.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) client: SocketAddr,
    /// The address that it leaves from.
    pub(super) from: Endpoint,
}

impl PacketSocket {
    pub(super) fn new(socket: socket2::Socket, address: ServerAddress) -> io::Result<Self> {
        let wildcard = address.ip().is_some_and(|ip| ip.ip().is_unspecified());
        Ok(Self {
            socket: watch(socket.into())?,
            address,
            wildcard,
        })
    }

    /// Sends one packet to `client`, from the address that its own packet came to.
    ///
    /// # Errors
    ///
    /// What sendmsg(2) says; `TimedOut` if a Unix client does not read what it was sent before.
    pub(super) async fn send(
        &self,
        bytes: &[u8],
        client: &Endpoint,
        from: &Endpoint,
    ) -> io::Result<()> {
        /// A Unix socket waits for its peer's queue, which is the peer's affair.
        const PEER: Duration = Duration::from_millis(100);
        let send = self.socket.async_io(Interest::WRITABLE, |socket| {
            self.try_send(socket.as_raw_fd(), bytes, client, from)
        });
        match client {
            Endpoint::Ip(_) => send.await.map(drop),
            Endpoint::Unix(_) => timeout(PEER, send).await?.map(drop),
        }
    }

    fn try_send(
        &self,
        fd: RawFd,
        bytes: &[u8],
        client: &Endpoint,
        from: &Endpoint,
    ) -> io::Result<usize> {
        let io = [IoSlice::new(bytes)];
        let sent = match client {
            Endpoint::Ip(address) => {
                let to = self.to_family(*address);
                let to = Some(SockaddrStorage::from(to));
                let info = self.packet_info(Some(from));
                let control: Vec<_> = info.iter().map(PacketInfo::message).collect();
                match sendmsg(fd, &io, &control, FLAGS, to.as_ref()) {
                    // It came to a broadcast address, which nothing can leave from.
                    Err(nix::Error::EINVAL) => sendmsg(fd, &io, &[], FLAGS, to.as_ref()),
                    sent => sent,
                }
            }
            Endpoint::Unix(UnixName::Path(path)) => {
                sendmsg(fd, &io, &[], FLAGS, Some(&UnixAddr::new(path)?))
            }
            Endpoint::Unix(UnixName::Abstract(name)) => {
                sendmsg(fd, &io, &[], FLAGS, Some(&UnixAddr::new_abstract(name)?))
            }
            Endpoint::Unix(UnixName::Unnamed) => Err(nix::Error::ENOTCONN),
        };
        Ok(sent?)
    }

    /// Sends one packet without waiting.
    ///
    /// # Errors
    ///
    /// What sendmsg(2) says.
    pub(super) fn try_send_one(&self, reply: &Reply) -> io::Result<()> {
        let client = Endpoint::Ip(reply.client);
        let fd = self.socket.as_raw_fd();
        self.try_send(fd, &reply.bytes, &client, &reply.from)
            .map(drop)
    }

    /// Waits until there may be room for a packet. Safe to cancel.
    pub(super) async fn writable(&self) {
        match self.socket.writable().await {
            // Whoever finds no room after all asks again, and is told when that has changed.
            Ok(mut ready) => ready.clear_ready(),
            Err(error) => tracing::debug!("cannot wait for room: {error}"),
        }
    }

    /// Sends what it can of `replies`, which leave from the same address, by one call of the kernel; returns
    /// how many of them, from the first one on.
    ///
    /// # Errors
    ///
    /// What sendmmsg(2) says about the first one.
    pub(super) fn try_send_together(&self, replies: &[Reply]) -> io::Result<usize> {
        let io: Vec<_> = replies
            .iter()
            .map(|reply| [IoSlice::new(&reply.bytes)])
            .collect();
        let to: Vec<_> = replies
            .iter()
            .map(|reply| Some(SockaddrStorage::from(self.to_family(reply.client))))
            .collect();
        let info = self.packet_info(replies.first().map(|reply| &reply.from));
        let control: Vec<_> = info.iter().map(PacketInfo::message).collect();
        let room = info
            .as_ref()
            .map(|_| nix::cmsg_space!(nix::libc::in6_pktinfo));
        let mut headers = MultiHeaders::preallocate(replies.len(), room);
        let fd = self.socket.as_raw_fd();
        let sent = sendmmsg(fd, &mut headers, &io, &to, &control, FLAGS)?;
        Ok(sent.count())
    }

    /// What says that a packet leaves from `from`, if that is not the only address there is.
    fn packet_info(&self, from: Option<&Endpoint>) -> Option<PacketInfo> {
        let from = from?.ip().filter(|_| self.wildcard)?;
        Some(PacketInfo::new(self.to_family(from)))
    }

    /// An IPv4 address as the socket's own family writes it: a dual-stack socket wraps it in IPv6.
    fn to_family(&self, address: SocketAddr) -> SocketAddr {
        match (self.address.ip(), address) {
            (Some(SocketAddr::V6(_)), SocketAddr::V4(v4)) => {
                (v4.ip().to_ipv6_mapped(), v4.port()).into()
            }
            _ => address,
        }
    }
}

/// The control message that says from which address a packet leaves (`IP_PKTINFO` in ip(7),
/// `IPV6_PKTINFO` in ipv6(7)).
enum PacketInfo {
    V4(nix::libc::in_pktinfo),
    V6(nix::libc::in6_pktinfo),
}

impl PacketInfo {
    fn new(from: SocketAddr) -> Self {
        match from {
            SocketAddr::V4(v4) => Self::V4(nix::libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: nix::libc::in_addr {
                    s_addr: u32::from_ne_bytes(v4.ip().octets()),
                },
                ipi_addr: nix::libc::in_addr { s_addr: 0 },
            }),
            SocketAddr::V6(v6) => Self::V6(nix::libc::in6_pktinfo {
                ipi6_addr: nix::libc::in6_addr {
                    s6_addr: v6.ip().octets(),
                },
                ipi6_ifindex: v6.scope_id(),
            }),
        }
    }

    fn message(&self) -> ControlMessage<'_> {
        match self {
            Self::V4(info) => ControlMessage::Ipv4PacketInfo(info),
            Self::V6(info) => ControlMessage::Ipv6PacketInfo(info),
        }
    }
}
