//! What a packet may be answered with.
//!
//! Who sent a packet is not proven, so that replies may go to somebody who never asked. The cap of amplification
//! keeps nothing in memory: it holds for each packet by itself. What leaves towards any network is thereby at most so
//! many times what came in its name, and no number of pretended sources gets round it. The rate of a source, if it
//! is set, bounds what one that is real, or one that is attacked, is sent in a second.
//!
//! Clients of Unix sockets cannot pretend to be others (`listen::client_file` sees to it): for them only the limits of a
//! request hold.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::address::{ClientAddress, Endpoint};
use crate::admission::{Source, SourceRate};
use crate::config::{Limits, ServerLimits};

/// The limits of one server.
pub(crate) struct ReplyLimits {
    max_bytes: u64,
    max_datagrams: u32,
    max_amplification: Option<u32>,
    /// Bytes a second.
    rate: Option<Arc<SourceRate>>,
}

/// What is left for the replies to one packet.
pub(crate) struct ReplyBudget {
    bytes: u64,
    datagrams: u32,
    /// Bytes on the wire; none without a cap.
    on_the_wire: Option<u64>,
    /// Bytes a second of a source.
    rate: Option<Arc<SourceRate>>,
}

impl ReplyLimits {
    pub(crate) fn new(request: &Limits, server: &ServerLimits) -> Self {
        let rate = server.max_reply_rate_per_source.map(|rate| {
            let rate = u32::try_from(rate).unwrap_or(u32::MAX);
            Arc::new(SourceRate::new(
                "bytes of replies",
                rate,
                server.max_sources,
            ))
        });
        Self {
            max_bytes: request.datagram_max_bytes_out.unwrap_or(u64::MAX),
            max_datagrams: request.max_datagrams_out.unwrap_or(u32::MAX),
            max_amplification: server.max_amplification,
            rate,
        }
    }

    /// What a packet of `length` bytes from `client` may be answered with.
    pub(crate) fn budget(&self, client: &ClientAddress, length: usize) -> ReplyBudget {
        let received = client.endpoint.ip().map(|ip| on_the_wire(ip, length));
        let times = self.max_amplification.map(u64::from);
        ReplyBudget {
            bytes: self.max_bytes,
            datagrams: self.max_datagrams,
            on_the_wire: received
                .zip(times)
                .map(|(received, times)| received.saturating_mul(times)),
            rate: self.rate.clone(),
        }
    }
}

impl ReplyBudget {
    /// Takes what a packet of `length` bytes to `to` needs.
    ///
    /// It stays taken if the system refuses the packet: what was not sent harms nobody.
    ///
    /// # Errors
    ///
    /// The limit that there is not as much left of; then it must not be sent.
    pub(crate) fn take(&mut self, to: &Endpoint, length: usize) -> Result<(), &'static str> {
        let datagrams = self.datagrams.checked_sub(1).ok_or("max-datagrams-out")?;
        let bytes = self
            .bytes
            .checked_sub(length as u64)
            .ok_or("max-bytes-out")?;
        if let Some(ip) = to.ip() {
            self.take_on_the_wire(ip, on_the_wire(ip, length))?;
        }
        (self.datagrams, self.bytes) = (datagrams, bytes);
        Ok(())
    }

    fn take_on_the_wire(&mut self, to: SocketAddr, bytes: u64) -> Result<(), &'static str> {
        let left = match self.on_the_wire {
            Some(left) => Some(left.checked_sub(bytes).ok_or("max-amplification")?),
            None => None,
        };
        if let Some(rate) = &self.rate
            && !rate.take(
                Source::of(&to.into()),
                u32::try_from(bytes).unwrap_or(u32::MAX),
            )
        {
            return Err("max-reply-rate-per-source");
        }
        self.on_the_wire = left;
        Ok(())
    }
}

/// Bytes of a packet with the headers of IP and UDP, without options.
fn on_the_wire(peer: SocketAddr, length: usize) -> u64 {
    let headers = match peer {
        SocketAddr::V4(_) => 20 + 8,
        SocketAddr::V6(_) => 40 + 8,
    };
    length as u64 + headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::UnixName;

    fn limits(max_amplification: Option<u32>, rate: Option<u64>) -> ReplyLimits {
        let request = Limits {
            datagram_max_bytes_out: None,
            max_datagrams_out: None,
            ..Limits::default()
        };
        let server = ServerLimits {
            max_amplification,
            max_reply_rate_per_source: rate,
            ..ServerLimits::default()
        };
        ReplyLimits::new(&request, &server)
    }

    fn client(address: &str) -> ClientAddress {
        let address: SocketAddr = address.parse().expect("an address");
        address.into()
    }

    /// Whether a packet of `length` bytes may be sent to `client`.
    fn take(budget: &mut ReplyBudget, client: &ClientAddress, length: usize) -> bool {
        budget.take(&client.endpoint, length).is_ok()
    }

    #[test]
    fn a_packet_is_answered_with_so_many_times_its_bytes_on_the_wire() {
        let client = client("10.0.0.1:1");
        // 3 * (28 + 12) = 120 = 2 * (28 + 32).
        let mut budget = limits(Some(3), None).budget(&client, 12);
        assert!(!take(&mut budget, &client, 93));
        assert!(take(&mut budget, &client, 32));
        assert!(!take(&mut budget, &client, 33));
        assert!(take(&mut budget, &client, 32));
        assert!(
            !take(&mut budget, &client, 0),
            "an empty packet has a header, too"
        );
    }

    #[test]
    fn headers_of_ipv6_are_longer() {
        let (limits, client) = (limits(Some(2), None), client("[::1]:1"));
        // 2 * (48 + 2) = 48 + 52.
        assert!(!take(&mut limits.budget(&client, 2), &client, 53));
        assert!(take(&mut limits.budget(&client, 2), &client, 52));
    }

    #[test]
    fn the_default_lets_a_quote_of_the_day_pass() {
        let limits = ReplyLimits::new(&Limits::default(), &ServerLimits::default());
        let client = client("10.0.0.1:1");
        assert!(take(&mut limits.budget(&client, 0), &client, 512));
        let refused = limits.budget(&client, 0).take(&client.endpoint, 533);
        assert_eq!(refused, Err("max-amplification"));
    }

    #[test]
    fn without_a_cap_a_byte_may_be_answered_with_anything() {
        let client = client("10.0.0.1:1");
        let mut budget = limits(None, None).budget(&client, 1);
        for _ in 0..1000 {
            assert!(take(&mut budget, &client, 65_507));
        }
    }

    #[test]
    fn bytes_and_packets_are_limited_for_every_client() {
        let request = Limits {
            datagram_max_bytes_out: Some(100),
            max_datagrams_out: Some(3),
            ..Limits::default()
        };
        let unix = unix();
        let limits = ReplyLimits::new(&request, &ServerLimits::default());
        let mut budget = limits.budget(&unix, 0);
        assert_eq!(budget.take(&unix.endpoint, 101), Err("max-bytes-out"));
        for length in [0, 90, 10] {
            assert!(take(&mut budget, &unix, length));
        }
        assert_eq!(budget.take(&unix.endpoint, 0), Err("max-datagrams-out"));
    }

    fn unix() -> ClientAddress {
        ClientAddress {
            endpoint: Endpoint::Unix(UnixName::Unnamed),
            credentials: None,
        }
    }

    #[test]
    fn a_client_of_a_unix_socket_may_be_sent_more_than_it_sent() {
        let mut budget = limits(Some(1), Some(1)).budget(&unix(), 0);
        for _ in 0..1000 {
            assert!(take(&mut budget, &unix(), 65_507));
        }
    }

    #[test]
    fn a_source_has_one_rate_for_all_its_packets() {
        let limits = limits(None, Some(1000));
        let [first, second, other] = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"].map(client);
        let mut budget = limits.budget(&first, 1);
        assert!(
            !take(&mut budget, &first, 1000),
            "with its header it is more than a second's worth"
        );
        assert!(take(&mut budget, &first, 900));
        assert!(!take(&mut limits.budget(&second, 1), &second, 900));
        assert!(take(&mut limits.budget(&other, 1), &other, 900));
    }

    #[test]
    fn what_the_rate_refuses_is_not_taken_from_the_cap() {
        let client = client("10.0.0.1:1");
        let mut budget = limits(Some(1), Some(1000)).budget(&client, 2000);
        let refused = budget.take(&client.endpoint, 1500);
        assert_eq!(refused, Err("max-reply-rate-per-source"));
        assert_eq!(budget.on_the_wire, Some(2028));
    }
}
