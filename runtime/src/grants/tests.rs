//! Who may be reached, asked without a guest.

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;

/// Grants of connections only.
fn connect(patterns: &[&str]) -> Grants {
    let parse = |text: &&str| text.parse().expect("a pattern");
    Grants {
        connect: patterns.iter().map(parse).collect(),
        ..Grants::default()
    }
}

fn may_connect(grants: &Grants, protocol: Protocol, to: &str, answered: &[&str]) -> bool {
    grants.may_connect(protocol, to.parse().expect("an address"), answered)
}

#[test]
fn nothing_is_granted_by_default() {
    let nothing = Grants::default();
    assert!(!nothing.has(Protocol::Tcp) && !nothing.has(Protocol::Udp) && !nothing.has_names());
    assert!(!nothing.may_look_up("example.com"));
    assert!(!nothing.may_look_up("127.0.0.1"));
    assert!(!may_connect(
        &nothing,
        Protocol::Tcp,
        "8.8.8.8:53",
        &["example.com"]
    ));
    assert!(!nothing.may_send_to(([8, 8, 8, 8], 53).into()));
}

#[test]
fn a_pattern_grants_its_protocol_its_addresses_and_its_ports() {
    let grants = connect(&["tcp://10.1.0.0/16:8000-8099", "udp://[fd00::/8]:*"]);
    for (protocol, to, granted) in [
        (Protocol::Tcp, "10.1.2.3:8000", true),
        (Protocol::Tcp, "10.1.2.3:8099", true),
        (Protocol::Tcp, "10.1.2.3:8100", false),
        (Protocol::Tcp, "10.1.2.3:7999", false),
        (Protocol::Tcp, "10.2.2.3:8000", false),
        (Protocol::Udp, "10.1.2.3:8000", false),
        (Protocol::Tcp, "[::ffff:10.1.2.3]:8000", true),
        (Protocol::Tcp, "[::ffff:10.2.2.3]:8000", false),
        (Protocol::Udp, "[fd12::1]:1", true),
        (Protocol::Udp, "[fe12::1]:1", false),
        (Protocol::Tcp, "[fd12::1]:1", false),
    ] {
        assert_eq!(may_connect(&grants, protocol, to, &[]), granted, "{to}");
    }
}

#[test]
fn a_mapped_network_is_one_of_ipv4() {
    let grants = connect(&["tcp://[::ffff:10.0.0.0/104]:80"]);
    assert!(may_connect(&grants, Protocol::Tcp, "10.9.9.9:80", &[]));
    assert!(!may_connect(&grants, Protocol::Tcp, "11.9.9.9:80", &[]));
}

#[test]
fn a_name_grants_what_was_answered_for_it_and_with_its_ports() {
    let grants = connect(&["tcp://*.example.com:443", "tcp://example.org:80"]);
    for (to, answered, granted) in [
        ("93.184.216.34:443", &["www.example.com"][..], true),
        ("93.184.216.34:80", &["www.example.com"], false),
        ("93.184.216.34:443", &["example.com"], false),
        ("93.184.216.34:443", &["example.org"], false),
        ("93.184.216.34:443", &["other.net", "www.example.com"], true),
        ("93.184.216.34:443", &[], false),
        ("[2606:2800::1]:443", &["www.example.com"], true),
    ] {
        let told = format!("{to} {answered:?}");
        assert_eq!(
            may_connect(&grants, Protocol::Tcp, to, answered),
            granted,
            "{told}"
        );
    }
    assert!(!may_connect(
        &grants,
        Protocol::Udp,
        "93.184.216.34:443",
        &["www.example.com"]
    ));
}

#[test]
fn an_answer_that_is_not_public_is_refused_unless_an_address_pattern_names_it() {
    let grants = connect(&["tcp://rebound.example.com:80"]);
    let both = connect(&["tcp://rebound.example.com:80", "tcp://127.0.0.0/8:80"]);
    for to in ["127.0.0.1:80", "[::ffff:127.0.0.1]:80"] {
        assert!(
            !may_connect(&grants, Protocol::Tcp, to, &["rebound.example.com"]),
            "{to}"
        );
        assert!(
            may_connect(&both, Protocol::Tcp, to, &["rebound.example.com"]),
            "{to}"
        );
    }
    let public = "93.184.216.34:80";
    assert!(may_connect(
        &grants,
        Protocol::Tcp,
        public,
        &["rebound.example.com"]
    ));
}

#[test]
fn names_that_may_be_connected_to_may_be_looked_up() {
    let mut grants = connect(&["tcp://example.com:80", "udp://10.0.0.0/8:53"]);
    grants.lookup.push("*.example.org".parse().expect("a name"));
    for (name, granted) in [
        ("example.com", true),
        ("EXAMPLE.com.", true),
        ("www.example.com", false),
        ("a.example.org", true),
        ("a.b.example.org", true),
        ("example.org", false),
        ("badexample.org", false),
        ("example.org.evil.net", false),
        ("ex%61mple.com", false),
        ("example.com\0.evil.net", false),
        ("10.2.3.4", true),
        ("127.0.0.1", false),
        ("0x0a000001", false),
        ("", false),
        (".", false),
        (".example.org", false),
    ] {
        assert_eq!(grants.may_look_up(name), granted, "{name:?}");
    }
}

#[test]
fn packets_go_to_granted_networks_and_ports_only() {
    let grants = Grants {
        send_to: vec!["192.0.2.0/24:514".parse().expect("a pattern")],
        ..Grants::default()
    };
    for (to, granted) in [
        ("192.0.2.9:514", true),
        ("[::ffff:192.0.2.9]:514", true),
        ("192.0.2.9:515", false),
        ("192.0.3.9:514", false),
        ("[::1]:514", false),
    ] {
        assert_eq!(
            grants.may_send_to(to.parse().expect("an address")),
            granted,
            "{to}"
        );
    }
}

#[test]
fn the_same_thing_twice_is_refused() {
    let grants = Grants {
        directories: vec![
            "/a::/data".parse().expect("one"),
            "/b::/data/".parse().expect("one"),
        ],
        ..Grants::default()
    };
    let complaint = grants.check().expect_err("a contradiction").to_string();
    assert_eq!(
        complaint,
        "dir /b: the handler's path /data/ is given twice"
    );
    let variable = || "LANG=C".parse().expect("a variable");
    let grants = Grants {
        environment: vec![variable(), variable()],
        ..Grants::default()
    };
    let complaint = grants.check().expect_err("a contradiction").to_string();
    assert_eq!(complaint, "env LANG is given twice");
}

/// An address as its bits, those of IPv4 in front.
fn bits(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(ip) => (true, u128::from(u32::from(ip)) << 96),
        IpAddr::V6(ip) => (false, u128::from(ip)),
    }
}

proptest! {
    #[test]
    fn no_text_breaks_a_parser_and_what_is_read_is_written_the_same(
        text in "(tcp|udp)?(://)?[\\[*.]{0,2}[a-z0-9:.-]{0,12}(/[0-9]{1,3})?\\]?:?[0-9*-]{0,6}|.{0,20}"
    ) {
        if let Ok(pattern) = text.parse::<ConnectPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        if let Ok(pattern) = text.parse::<NetworkPattern>() {
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        if let Ok(pattern) = text.parse::<NamePattern>() {
            prop_assert!(pattern.matches(&text.replace('*', "below")));
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        drop(text.parse::<Directory>());
        drop(text.parse::<Variable>());
    }

    #[test]
    fn a_network_grants_whoever_shares_its_prefix_and_nobody_else(
        network: IpAddr,
        prefix in 0..=128_u8,
        flipped in 0..128_u32,
        port in 1..=u16::MAX,
        ports in 1..=u16::MAX,
    ) {
        let most = if network.is_ipv4() { 32 } else { 128 };
        let network = IpNet::new(network, prefix.min(most)).expect("a network").trunc();
        let pattern = match network {
            IpNet::V4(network) => format!("tcp://{network}:{ports}-65535"),
            IpNet::V6(network) => format!("tcp://[{network}]:{ports}-65535"),
        };
        let grants = connect(&[&pattern]);
        let mapped = network.addr() != network.addr().to_canonical();
        prop_assume!(!mapped);
        let (is_v4, at) = bits(network.addr());
        let at = at ^ (1 << (127 - flipped));
        let ip = match is_v4 {
            true => IpAddr::from(u32::try_from(at >> 96).expect("32 bits").to_be_bytes()),
            false => IpAddr::from(at.to_be_bytes()),
        };
        // The network of all of IPv6 does not name what is one of IPv4.
        prop_assume!(ip == ip.to_canonical());
        let within = flipped >= u32::from(network.prefix_len()) || (is_v4 && flipped >= 32);
        let nobody: [&str; 0] = [];
        let may = grants.may_connect(Protocol::Tcp, SocketAddr::new(ip, port), &nobody);
        let named = within && port >= ports;
        // One that is not public takes more than that, which `special` tests.
        prop_assert!(may == named || !may && is_special(ip));
    }
}
