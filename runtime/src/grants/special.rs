//! Addresses that are not the public Internet's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

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
