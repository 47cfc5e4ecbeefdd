//! Packets of UDP and of Unix datagram sockets: received with the address that they came to.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrLike, SockaddrStorage, UnixAddr,
    recvmmsg, setsockopt, sockopt,
};
use tokio::io::Interest;

use super::Arrival;
use super::backoff::Backoff;
use super::outbox::Outbox;
use super::packet_socket::PacketSocket;
use crate::address::{ClientAddress, Credentials, Endpoint, UnixName, canonical};

/// One packet and what is known of its way.
pub(crate) struct Packet {
    /// What the client sent, at most `max_packet_size` bytes of it.
    pub(crate) bytes: Bytes,
    /// How long the packet was on its way.
    pub(crate) length: usize,
    /// True if that is longer than `bytes`.
    pub(crate) truncated: bool,
    /// The address that the packet came to, and from which an answer leaves.
    pub(crate) server_address: Endpoint,
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

/// Receives packets.
pub(crate) struct PacketSource {
    socket: Arc<PacketSocket>,
    outbox: Arc<Outbox>,
    /// Room for the packets that one call of the kernel returns.
    buffer: Vec<u8>,
    longest: usize,
    /// Packets that have been received and not yet been asked for.
    received: VecDeque<(Packet, ClientAddress)>,
    backoff: Backoff,
}

impl PacketSource {
    /// Packets that are received together: enough to share the price of a call, and few enough that other
    /// receivers get theirs. Measured with 16 clients: 1 and 16 answer a tenth fewer.
    const TOGETHER: usize = 8;

    /// Receives one packet at a time: what nobody has asked for yet stays with the kernel.
    pub(super) fn new(socket: Arc<PacketSocket>, max_packet_size: usize) -> Self {
        Self {
            outbox: Arc::new(Outbox::new(Arc::clone(&socket))),
            socket,
            buffer: vec![0; max_packet_size],
            longest: max_packet_size,
            received: VecDeque::new(),
            backoff: Backoff::default(),
        }
    }

    /// Another receiver on the same socket. `together`: it takes several packets at a time, if there are, and
    /// answers them together.
    pub(super) fn another(&self, together: bool) -> Self {
        let packets = if together { Self::TOGETHER } else { 1 };
        let mut source = Self::new(Arc::clone(&self.socket), self.longest);
        source.buffer = vec![0; self.longest * packets];
        source.backoff = self.backoff.clone();
        source
    }

    /// Waits for a packet. Safe to cancel: what has been received is returned by the next call.
    pub(super) async fn receive(&mut self) -> (Arrival, ClientAddress) {
        loop {
            if self.received.is_empty() || self.outbox.is_due() {
                self.outbox.flush().await;
                self.hold_replies();
            }
            if let Some(request) = self.received() {
                return request;
            }
            self.receive_some().await;
        }
    }

    /// A packet that has been received already.
    pub(super) fn received(&mut self) -> Option<(Arrival, ClientAddress)> {
        let (packet, client) = self.received.pop_front()?;
        Some((Arrival::Packet(packet, Arc::clone(&self.outbox)), client))
    }

    /// Sends the replies that are held.
    pub(super) async fn flush(&self) {
        self.outbox.flush().await;
    }

    /// Waits until there are packets, and receives as many as fit. Safe to cancel.
    async fn receive_some(&mut self) {
        let socket = Arc::clone(&self.socket);
        let receive = |fd: &OwnedFd| self.try_receive(fd.as_raw_fd());
        match socket.socket.async_io(Interest::READABLE, receive).await {
            Ok(()) => {
                self.backoff.recovered();
                self.hold_replies();
            }
            Err(error) => self.backoff.failed(&error).await,
        }
    }

    /// Replies wait for each other while several packets do.
    fn hold_replies(&self) {
        if self.received.len() > 1 {
            self.outbox.begin();
        }
    }

    fn try_receive(&mut self, fd: RawFd) -> io::Result<()> {
        if self.socket.address.transport.is_unix() {
            // Room for nothing else: descriptors that a client sends are not even received.
            let control = nix::cmsg_space!(nix::libc::ucred);
            self.receive_from::<UnixAddr>(fd, control, unix_endpoint)
        } else {
            let control = nix::cmsg_space!(nix::libc::in6_pktinfo);
            self.receive_from::<SockaddrStorage>(fd, control, ip_endpoint)
        }
    }

    fn receive_from<A: SockaddrLike + Copy>(
        &mut self,
        fd: RawFd,
        control: Vec<u8>,
        endpoint: fn(Option<A>) -> Endpoint,
    ) -> io::Result<()> {
        let rooms = self.buffer.chunks_exact_mut(self.longest);
        let mut io: Vec<_> = rooms.map(|room| [IoSliceMut::new(room)]).collect();
        // Made anew each time: the kernel overwrites the lengths in it.
        let mut headers = MultiHeaders::preallocate(io.len(), Some(control));
        // Here MSG_TRUNC asks for a packet's real length, also if it is cut short.
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_TRUNC;
        for message in recvmmsg(fd, &mut headers, io.iter_mut(), flags, None)? {
            let (client, server_address) = who_and_where(&self.socket, &message, endpoint);
            if client.endpoint == server_address {
                // Whoever pretends to be the server would have it answer itself without end.
                tracing::debug!("a packet that claims to come from the server itself is dropped");
                continue;
            }
            let packet = Packet {
                bytes: Bytes::copy_from_slice(message.iovs().next().unwrap_or_default()),
                length: message.bytes,
                truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
                server_address,
            };
            self.received.push_back((packet, client));
        }
        Ok(())
    }
}

/// Requests that go on without it find that their replies leave at once.
impl Drop for PacketSource {
    fn drop(&mut self) {
        self.outbox.try_flush();
    }
}

/// Who sent a packet, and which address it came to.
fn who_and_where<A: SockaddrLike + Copy>(
    socket: &PacketSocket,
    message: &RecvMsg<'_, '_, A>,
    endpoint: fn(Option<A>) -> Endpoint,
) -> (ClientAddress, Endpoint) {
    let mut server_address = socket.address.endpoint.clone();
    let mut credentials = None;
    // They are incomplete if the client sent descriptors, too: then nothing is known of it.
    for message in message.cmsgs().into_iter().flatten() {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) if socket.wildcard => {
                let ip = IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes());
                came_to(&mut server_address, ip, 0);
            }
            ControlMessageOwned::Ipv6PacketInfo(info) if socket.wildcard => {
                let ip = IpAddr::from(info.ipi6_addr.s6_addr);
                came_to(&mut server_address, ip, info.ipi6_ifindex);
            }
            ControlMessageOwned::ScmCredentials(sender) => {
                credentials = Some(Credentials {
                    pid: u32::try_from(sender.pid()).ok().filter(|pid| *pid != 0),
                    uid: sender.uid(),
                    gid: sender.gid(),
                });
            }
            _ => {}
        }
    }
    let client = ClientAddress {
        endpoint: endpoint(message.address),
        credentials,
    };
    (client, server_address)
}

/// Notes which of the machine's addresses a packet came to. A group's address is none that an answer could
/// leave from: the kernel chooses one then.
fn came_to(server_address: &mut Endpoint, ip: IpAddr, interface: u32) {
    let ip = ip.to_canonical();
    let Some(bound) = server_address.ip().filter(|_| !ip.is_multicast()) else {
        return;
    };
    let mut address = SocketAddr::new(ip, bound.port());
    if let SocketAddr::V6(v6) = &mut address
        && v6.ip().is_unicast_link_local()
    {
        v6.set_scope_id(interface);
    }
    *server_address = Endpoint::Ip(address);
}

fn unix_endpoint(address: Option<UnixAddr>) -> Endpoint {
    /// What the kernel writes in front of a name; an unnamed sender has less or no more than that, and
    /// nix panics when it is asked for such a name.
    const FAMILY: usize = size_of::<nix::libc::sa_family_t>();
    let named = address.filter(|address| address.len() as usize > FAMILY);
    Endpoint::Unix(match &named {
        Some(address) if address.len() as usize > size_of::<nix::libc::sockaddr_un>() => {
            UnixName::Path(longest_path(address))
        }
        Some(address) => match (address.path(), address.as_abstract()) {
            (Some(path), _) => UnixName::Path(path.to_owned()),
            (None, Some(name)) => UnixName::Abstract(name.to_vec()),
            (None, None) => UnixName::Unnamed,
        },
        None => UnixName::Unnamed,
    })
}

/// A path that fills its room, so that there is none for the zero behind it: the kernel counts one all the same, and nix
/// would read beyond the end.
fn longest_path(address: &UnixAddr) -> PathBuf {
    let path = address.as_ref().sun_path.map(|byte| byte.to_ne_bytes()[0]);
    OsStr::from_bytes(&path).into()
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
