//! Addresses that are not the public Internet's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// From the registry of special-purpose addresses of IPv4 (RFC 6890), and multicast.
const SPECIAL_V4: [Ipv4Net; 14] = [
    v4([0, 0, 0, 0], 8),       // this network, and the unspecified address
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // shared by a provider's customers
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local: a cloud's metadata, among others
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 168, 0, 0], 16),  // private
    v4([198, 18, 0, 0], 15),   // benchmarks of networks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// The same of IPv6. Addresses in which one of IPv4 is wrapped are judged by that where there is a use for them,
/// and are here where there is none any more.
const SPECIAL_V6: [Ipv6Net; 10] = [
    v6([0, 0], 96),          // unspecified, loopback, and IPv4 in its oldest wrapping
    v6([0x64, 0xff9b], 32),  // translation for local use; the public one is judged as IPv4
    v6([0x100, 0], 64),      // discarded
    v6([0x2001, 0], 23),     // protocol assignments, Teredo among them
    v6([0x2001, 0xdb8], 32), // documentation
    v6([0x2002, 0], 16),     // 6to4, which wraps any address of IPv4
    v6([0x3fff, 0], 20),     // documentation
    v6([0xfc00, 0], 7),      // unique local
    v6([0xfe80, 0], 9),      // link-local, and site-local
    v6([0xff00, 0], 8),      // multicast
];

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 2], prefix: u8) -> Ipv6Net {
    let [a, b] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// True if `ip` is private, loopback, link-local, or in another range that has its own purpose.
pub(super) fn is_special(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => SPECIAL_V4.iter().any(|range| range.contains(&ip)),
        IpAddr::V6(ip) => match translated(ip) {
            Some(ip) => is_special(IpAddr::V4(ip)),
            None => SPECIAL_V6.iter().any(|range| range.contains(&ip)),
        },
    }
}

/// True if whoever names `network` names `ip`. That takes more than holding it where `ip` is special: a network without any
/// public address, or that address alone. Who writes 0.0.0.0/0 means the Internet, and neither the services of this
/// machine nor a cloud's metadata.
pub(super) fn names(network: &IpNet, ip: IpAddr) -> bool {
    network.contains(&ip) && (!is_special(ip) || is_of_special(network))
}

/// True if `network` lies within one range that is not public, or is one address.
fn is_of_special(network: &IpNet) -> bool {
    let one = network.prefix_len() == network.max_prefix_len();
    one || match network {
        IpNet::V4(network) => SPECIAL_V4.iter().any(|range| range.contains(network)),
        IpNet::V6(network) => match translated(network.network()) {
            Some(first) => {
                let prefix = network.prefix_len().checked_sub(96);
                let network = prefix.and_then(|prefix| Ipv4Net::new(first, prefix).ok());
                network.is_some_and(|network| is_of_special(&IpNet::V4(network)))
            }
            None => SPECIAL_V6.iter().any(|range| range.contains(network)),
        },
    }
}

/// The address of IPv4 that a network's translator (NAT64, RFC 6052) reaches by `ip`.
fn translated(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] = ip.octets() else {
        return None;
    };
    Some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_known_by_its_first_and_its_last_address() {
        for text in [
            "0.0.0.0",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.2.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
            "2001::1",
        ] {
            assert!(is_special(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn a_network_with_public_addresses_names_no_special_one() {
        for (network, ip, named) in [
            ("0.0.0.0/0", "1.1.1.1", true),
            ("0.0.0.0/0", "127.0.0.1", false),
            ("0.0.0.0/0", "169.254.169.254", false),
            ("8.0.0.0/5", "10.0.0.1", false),
            ("10.0.0.0/8", "10.0.0.1", true),
            ("10.1.0.0/16", "10.1.0.1", true),
            ("169.254.169.254/32", "169.254.169.254", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("::/0", "2a00::1", true),
            ("::/0", "::1", false),
            ("::/0", "fd00::1", false),
            ("fd00::/8", "fd00::1", true),
            ("::1/128", "::1", true),
            ("64:ff9b::/96", "64:ff9b::10.0.0.1", false),
            ("64:ff9b::/32", "64:ff9b::10.0.0.1", false),
            ("64:ff9b::10.0.0.0/104", "64:ff9b::10.0.0.1", true),
            ("64:ff9b:1::/48", "64:ff9b:1::1", true),
        ] {
            let network = network.parse().expect("a network");
            let ip = ip.parse().expect("an address");
            assert_eq!(names(&network, ip), named, "{network} {ip}");
        }
    }

    #[test]
    fn the_public_ones_beside_them_are_not_special() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
        ] {
            assert!(!is_special(text.parse().expect("an address")), "{text}");
        }
    }
}
