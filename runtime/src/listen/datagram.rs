//! Packets of UDP and of Unix datagram sockets: received with the address that they came to, answered
//! from that address.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, UnixAddr,
    recvmsg, sendmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

use super::Arrival;
use super::stream::Backoff;
use crate::address::{
    ClientAddress, Credentials, Endpoint, ServerAddress, Transport, UnixName, canonical,
};
use crate::watched::watch;

/// One packet and what is known of its way.
pub(crate) struct Packet {
    /// What the client sent, at most `max_packet_size` bytes of it.
    pub(crate) bytes: Bytes,
    /// True if the packet was longer.
    pub(crate) truncated: bool,
    /// The address that the packet came to, and from which an answer leaves.
    pub(crate) server_address: Endpoint,
    /// The way to answer.
    pub(crate) socket: Arc<PacketSocket>,
}

/// Asks the kernel to tell with each packet what this crate wants to know: the address that it came to, or who
/// sent it. It notes that when a packet arrives, so it is asked before the socket is bound: a packet may
/// well be there before anybody serves.
pub(super) fn ask_for_details(socket: &socket2::Socket, wildcard: bool) -> io::Result<()> {
    match socket.domain()? {
        socket2::Domain::UNIX => setsockopt(socket, sockopt::PassCred, &true)?,
        socket2::Domain::IPV4 if wildcard => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        socket2::Domain::IPV6 if wildcard => {
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        _ => {}
    }
    Ok(())
}

/// A bound datagram socket, registered with the async runtime. What is received and sent goes through the
/// descriptor, since tokio's own calls know neither the address that a packet came to nor whether it was cut
/// short.
pub(crate) struct PacketSocket {
    socket: AsyncFd<OwnedFd>,
    address: ServerAddress,
    /// Bound to every interface, so that only the packet itself tells which address it came to.
    wildcard: bool,
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
    pub(crate) async fn send(
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
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        let io = [IoSlice::new(bytes)];
        let sent = match client {
            Endpoint::Ip(address) => {
                let to = self.to_family(*address);
                let to = Some(SockaddrStorage::from(to));
                let from = from.ip().filter(|_| self.wildcard);
                let info = from.map(|from| PacketInfo::new(self.to_family(from)));
                let control: Vec<_> = info.iter().map(PacketInfo::message).collect();
                match sendmsg(fd, &io, &control, flags, to.as_ref()) {
                    // It came to a broadcast address, which nothing can leave from.
                    Err(nix::Error::EINVAL) => sendmsg(fd, &io, &[], flags, to.as_ref()),
                    sent => sent,
                }
            }
            Endpoint::Unix(UnixName::Path(path)) => {
                sendmsg(fd, &io, &[], flags, Some(&UnixAddr::new(path)?))
            }
            Endpoint::Unix(UnixName::Abstract(name)) => {
                sendmsg(fd, &io, &[], flags, Some(&UnixAddr::new_abstract(name)?))
            }
            Endpoint::Unix(UnixName::Unnamed) => Err(nix::Error::ENOTCONN),
        };
        Ok(sent?)
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

/// Receives packets. Clones receive from the same socket.
#[derive(Clone)]
pub(crate) struct PacketSource {
    socket: Arc<PacketSocket>,
    buffer: Vec<u8>,
    control: Vec<u8>,
    backoff: Backoff,
}

/// What one `recvmsg` brought.
struct Received {
    length: usize,
    truncated: bool,
    server_address: Endpoint,
    client: ClientAddress,
}

impl PacketSource {
    pub(super) fn new(socket: Arc<PacketSocket>, max_packet_size: usize) -> Self {
        Self {
            control: if socket.address.transport.is_unix() {
                // Room for nothing else: descriptors that a client sends are not even received.
                nix::cmsg_space!(nix::libc::ucred)
            } else {
                nix::cmsg_space!(nix::libc::in6_pktinfo)
            },
            socket,
            buffer: vec![0; max_packet_size],
            backoff: Backoff::default(),
        }
    }

    pub(super) async fn receive(&mut self) -> (Arrival, ClientAddress) {
        loop {
            let (address, wildcard) = (&self.socket.address, self.socket.wildcard);
            let (buffer, control) = (&mut self.buffer, &mut self.control);
            let received = self
                .socket
                .socket
                .async_io(Interest::READABLE, |socket| {
                    try_receive(socket.as_raw_fd(), buffer, control, address, wildcard)
                })
                .await;
            match received {
                Ok(received) => {
                    self.backoff.recovered();
                    return self.packet(received);
                }
                Err(error) => self.backoff.failed(&error).await,
            }
        }
    }

    fn packet(&self, received: Received) -> (Arrival, ClientAddress) {
        let bytes = self.buffer.get(..received.length).unwrap_or(&self.buffer);
        let packet = Packet {
            bytes: Bytes::copy_from_slice(bytes),
            truncated: received.truncated,
            server_address: received.server_address,
            socket: Arc::clone(&self.socket),
        };
        (Arrival::Packet(packet), received.client)
    }
}

fn try_receive(
    fd: RawFd,
    buffer: &mut [u8],
    control: &mut [u8],
    address: &ServerAddress,
    wildcard: bool,
) -> io::Result<Received> {
    match address.transport {
        Transport::Unixgram | Transport::Unix => {
            receive_from::<UnixAddr>(fd, buffer, control, address, wildcard, unix_endpoint)
        }
        Transport::Udp | Transport::Tcp => {
            receive_from::<SockaddrStorage>(fd, buffer, control, address, wildcard, ip_endpoint)
        }
    }
}

fn receive_from<A: SockaddrLike + Copy>(
    fd: RawFd,
    buffer: &mut [u8],
    control: &mut [u8],
    address: &ServerAddress,
    wildcard: bool,
    endpoint: fn(Option<A>) -> Endpoint,
) -> io::Result<Received> {
    let mut io = [IoSliceMut::new(buffer)];
    let message = recvmsg::<A>(
        fd,
        &mut io,
        Some(control),
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut received = Received {
        length: message.bytes,
        truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
        server_address: address.endpoint.clone(),
        client: ClientAddress {
            endpoint: endpoint(message.address),
            credentials: None,
        },
    };
    // They are incomplete if the client sent descriptors, too: then nothing is known of it.
    for message in message.cmsgs().into_iter().flatten() {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) if wildcard => {
                let ip = IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                received.came_to(ip, 0);
            }
            ControlMessageOwned::Ipv6PacketInfo(info) if wildcard => {
                received.came_to(IpAddr::from(info.ipi6_addr.s6_addr), info.ipi6_ifindex);
            }
            ControlMessageOwned::ScmCredentials(sender) => {
                received.client.credentials = Some(Credentials {
                    pid: u32::try_from(sender.pid()).ok().filter(|pid| *pid != 0),
                    uid: sender.uid(),
                    gid: sender.gid(),
                });
            }
            _ => {}
        }
    }
    Ok(received)
}

impl Received {
    /// Notes which of the machine's addresses the packet came to. A group's address is none that an
    /// answer could leave from: the kernel chooses one then.
    fn came_to(&mut self, ip: IpAddr, interface: u32) {
        let ip = ip.to_canonical();
        let Some(bound) = self.server_address.ip().filter(|_| !ip.is_multicast()) else {
            return;
        };
        let mut address = SocketAddr::new(ip, bound.port());
        if let SocketAddr::V6(v6) = &mut address
            && v6.ip().is_unicast_link_local()
        {
            v6.set_scope_id(interface);
        }
        self.server_address = Endpoint::Ip(address);
    }
}

fn unix_endpoint(address: Option<UnixAddr>) -> Endpoint {
    /// What the kernel writes in front of a name; an unnamed sender has less or no more than that, and
    /// nix panics when it is asked for such a name.
    const FAMILY: usize = size_of::<nix::libc::sa_family_t>();
    let named = address.filter(|address| address.len() as usize > FAMILY);
    Endpoint::Unix(match &named {
        Some(address) => match (address.path(), address.as_abstract()) {
            (Some(path), _) => UnixName::Path(path.to_owned()),
            (None, Some(name)) => UnixName::Abstract(name.to_vec()),
            (None, None) => UnixName::Unnamed,
        },
        None => UnixName::Unnamed,
    })
}

fn ip_endpoint(address: Option<SockaddrStorage>) -> Endpoint {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    let address = address.and_then(|address| {
        let v4 = address
            .as_sockaddr_in()
            .map(|v4| SocketAddr::V4((*v4).into()));
        v4.or_else(|| {
            address
                .as_sockaddr_in6()
                .map(|v6| SocketAddr::V6((*v6).into()))
        })
    });
    Endpoint::Ip(canonical(address.unwrap_or(unspecified)))
}
