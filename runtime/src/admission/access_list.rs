//! Clients that are let in and clients that are not, by network.

use ipnet::IpNet;
use prefix_trie::joint::JointPrefixMap;

use crate::address::Endpoint;

/// The longest network that holds a client's address decides.
pub(super) struct AccessList {
    networks: JointPrefixMap<IpNet, Access>,
    /// For clients in none of them.
    others: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Allow,
    Deny,
}

impl AccessList {
    /// None if both lists are empty. Whoever is in no network is let in, unless something is allowed by name.
    pub(super) fn new(allow: &[IpNet], deny: &[IpNet]) -> Option<Self> {
        if allow.is_empty() && deny.is_empty() {
            return None;
        }
        let mut networks = JointPrefixMap::new();
        for network in allow {
            networks.insert(canonical(*network), Access::Allow);
        }
        // After the others: of two equal networks, the denied one stays.
        for network in deny {
            networks.insert(canonical(*network), Access::Deny);
        }
        let others = if allow.is_empty() {
            Access::Allow
        } else {
            Access::Deny
        };
        Some(Self { networks, others })
    }

    /// A client of a Unix socket is in no network.
    pub(super) fn admits(&self, client: &Endpoint) -> bool {
        let access = client.ip().and_then(|address| {
            let host = IpNet::from(address.ip().to_canonical());
            self.networks.get_lpm(&host).map(|(_, access)| *access)
        });
        access.unwrap_or(self.others) == Access::Allow
    }
}

/// The network without the bits behind its prefix. One of IPv4 that is wrapped in IPv6 is one of IPv4, as its
/// clients are.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) => v6
            .addr()
            .to_ipv4_mapped()
            .zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    let unwrapped = mapped.and_then(|(address, length)| IpNet::new(address.into(), length).ok());
    unwrapped.unwrap_or(network).trunc()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::address::UnixName;

    fn networks(list: &[&str]) -> Vec<IpNet> {
        let parsed = list.iter().map(|network| network.parse());
        parsed.collect::<Result<_, _>>().expect("networks")
    }

    fn admits(allow: &[&str], deny: &[&str], client: &str) -> bool {
        let list = AccessList::new(&networks(allow), &networks(deny)).expect("a list");
        let ip: IpAddr = client.parse().expect("an address");
        list.admits(&Endpoint::Ip(SocketAddr::new(ip, 1)))
    }

    #[test]
    fn without_networks_there_is_no_list() {
        assert!(AccessList::new(&[], &[]).is_none());
    }

    #[test]
    fn who_is_in_no_network_is_let_in_unless_somebody_is_allowed_by_name() {
        assert!(admits(&[], &["10.0.0.0/8"], "11.0.0.1"));
        assert!(!admits(&["10.0.0.0/8"], &[], "11.0.0.1"));
        assert!(!admits(&["10.0.0.0/8"], &[], "2001:db8::1"));
    }

    #[test]
    fn the_longest_network_decides_and_of_equal_ones_the_denied() {
        let allow = ["10.0.0.0/8", "10.1.1.0/24"];
        let deny = ["10.1.0.0/16", "10.1.1.0/24"];
        assert!(admits(&allow, &deny, "10.2.0.1"));
        assert!(!admits(&allow, &deny, "10.1.2.1"));
        assert!(!admits(&allow, &deny, "10.1.1.1"));
        assert!(admits(&["10.1.1.1/32"], &deny, "10.1.1.1"));
    }

    #[test]
    fn the_bits_behind_a_prefix_say_nothing() {
        assert!(!admits(&[], &["10.1.2.3/8"], "10.9.9.9"));
    }

    #[test]
    fn a_wrapped_ipv4_network_is_an_ipv4_network() {
        assert!(!admits(&[], &["::ffff:10.0.0.0/104"], "10.1.2.3"));
        assert!(!admits(&[], &["10.0.0.0/8"], "::ffff:10.1.2.3"));
        assert!(admits(&[], &["::/0"], "10.1.2.3"));
    }

    #[test]
    fn a_client_of_a_unix_socket_is_in_no_network() {
        let client = Endpoint::Unix(UnixName::Unnamed);
        let everywhere = networks(&["0.0.0.0/0", "::/0"]);
        let allowed = AccessList::new(&everywhere, &[]).expect("a list");
        assert!(!allowed.admits(&client));
        let denied = AccessList::new(&[], &everywhere).expect("a list");
        assert!(denied.admits(&client));
    }

    /// Addresses that share much of their beginning, so that networks overlap.
    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = vec(0_u8..2, 4).prop_map(|bytes| {
            let bytes: [u8; 4] = bytes.try_into().expect("four");
            IpAddr::from(bytes)
        });
        let v6 = vec(0_u8..2, 16).prop_map(|bytes| {
            let bytes: [u8; 16] = bytes.try_into().expect("sixteen");
            IpAddr::from(bytes)
        });
        prop_oneof![v4, v6]
    }

    fn network() -> impl Strategy<Value = IpNet> {
        (address(), 0_u8..=128).prop_map(|(address, length)| {
            let longest = if address.is_ipv4() { 32 } else { 128 };
            IpNet::new(address, length.min(longest)).expect("a length that fits")
        })
    }

    /// All entries, one after the other.
    fn naive(allow: &[IpNet], deny: &[IpNet], client: IpAddr) -> bool {
        let longest = |list: &[IpNet]| {
            let holding = list.iter().filter(|network| network.contains(&client));
            holding.map(IpNet::prefix_len).max()
        };
        match (longest(allow), longest(deny)) {
            (None, None) => allow.is_empty(),
            (allowed, denied) => allowed > denied,
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_a_walk_over_all_entries(
            allow in vec(network(), 0..12),
            deny in vec(network(), 0..12),
            clients in vec(address(), 1..12),
        ) {
            let list = AccessList::new(&allow, &deny);
            for client in clients {
                let admitted = list
                    .as_ref()
                    .is_none_or(|list| list.admits(&Endpoint::Ip(SocketAddr::new(client, 1))));
                prop_assert_eq!(admitted, naive(&allow, &deny, client), "{}", client);
            }
        }
    }
}
