//! Whom a client speaks for.

use std::net::{IpAddr, Ipv4Addr};

use crate::address::{ClientAddress, Endpoint};

/// The key that limits of each source are kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An IPv4 address, also one that a dual-stack socket wrapped in IPv6.
    Ipv4(Ipv4Addr),
    /// The first half of an IPv6 address: a /64 is the least that anybody is given, and who has one can use
    /// any address in it.
    Ipv6([u8; 8]),
    /// The user behind a Unix socket.
    User(u32),
    /// All clients of a Unix socket whom the kernel does not tell of: they are one source together.
    Unknown,
}

impl Source {
    pub(crate) fn of(client: &ClientAddress) -> Self {
        match (&client.endpoint, client.credentials) {
            (Endpoint::Ip(address), _) => match address.ip().to_canonical() {
                IpAddr::V4(v4) => Self::Ipv4(v4),
                IpAddr::V6(v6) => {
                    let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                    Self::Ipv6([a, b, c, d, e, f, g, h])
                }
            },
            (Endpoint::Unix(_), Some(credentials)) => Self::User(credentials.uid),
            (Endpoint::Unix(_), None) => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Credentials, UnixName};

    fn ip(address: &str) -> Source {
        Source::of(&ClientAddress {
            endpoint: Endpoint::Ip(address.parse().expect("an address")),
            credentials: None,
        })
    }

    fn unix(uid: Option<u32>) -> Source {
        Source::of(&ClientAddress {
            endpoint: Endpoint::Unix(UnixName::Unnamed),
            credentials: uid.map(|uid| Credentials {
                pid: None,
                uid,
                gid: 0,
            }),
        })
    }

    #[test]
    fn an_ipv4_address_is_one_whatever_its_port_and_its_wrapping() {
        assert_eq!(ip("10.0.0.1:1"), ip("10.0.0.1:2"));
        assert_eq!(ip("10.0.0.1:1"), ip("[::ffff:10.0.0.1]:1"));
        assert_ne!(ip("10.0.0.1:1"), ip("10.0.0.2:1"));
    }

    #[test]
    fn the_first_half_of_an_ipv6_address_is_one() {
        assert_eq!(ip("[2001:db8::1]:1"), ip("[2001:db8:0:0:ffff::2]:2"));
        assert_ne!(ip("[2001:db8::1]:1"), ip("[2001:db8:0:1::1]:1"));
        assert_ne!(ip("[2001:db8::1]:1"), ip("[2001:db9::1]:1"));
    }

    #[test]
    fn a_user_is_one_and_so_are_all_who_are_not_known() {
        assert_eq!(unix(Some(0)), Source::User(0));
        assert_ne!(unix(Some(0)), unix(Some(1)));
        assert_eq!(unix(None), Source::Unknown);
        assert_ne!(unix(None), unix(Some(0)));
    }
}
