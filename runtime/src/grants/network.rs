//! Patterns of whom to talk to: a host or a network, and ports.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::name::NamePattern;
use super::special::names;
use crate::config::ConfigError;

/// How a handler talks to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A connection.
    Tcp,
    /// Packets.
    Udp,
}

/// Whom a handler may connect to: `tcp://HOST:PORT` or `udp://HOST:PORT`.
///
/// HOST is a name, `*.` and a name, an address, or a network in CIDR notation; IPv6 stands in brackets, with its
/// prefix. PORT is a number, a range as in `8000-8099`, or `*`.
///
/// ```
/// for pattern in ["tcp://db.example.com:5432", "udp://*.example.com:53", "tcp://[fd00::/8]:8000-8099"] {
///     assert_eq!(pattern.parse::<runtime::ConnectPattern>()?.to_string(), pattern);
/// }
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectPattern {
    /// How.
    pub protocol: Protocol,
    /// With whom.
    pub host: HostPattern,
    /// At which of its ports.
    pub ports: Ports,
}

/// A host by its name, or all in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Whoever the host answers for this name.
    Name(NamePattern),
    /// An address is a network of one.
    Network(IpNet),
}

/// Who may be sent packets: `CIDR:PORT`, with HOST and PORT as in a [`ConnectPattern`], but for names.
///
/// ```
/// let pattern: runtime::NetworkPattern = "192.168.0.0/16:514".parse()?;
/// assert_eq!(pattern.to_string(), "192.168.0.0/16:514");
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPattern {
    /// The network.
    pub network: IpNet,
    /// Ports of those in it.
    pub ports: Ports,
}

/// Ports, from the first to the last.
///
/// ```
/// let ports: runtime::Ports = "8000-8099".parse()?;
/// assert_eq!((ports.first, ports.last), (8000, 8099));
/// # Ok::<(), runtime::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// At least 1.
    pub first: u16,
    /// At least `first`.
    pub last: u16,
}

impl Ports {
    const ALL: Self = Self {
        first: 1,
        last: u16::MAX,
    };

    pub(super) fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl NetworkPattern {
    /// An address of IPv4 that is written as one of IPv6 is the one of IPv4.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        names(&self.network, ip) && self.ports.contains(address.port())
    }
}

impl FromStr for ConnectPattern {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (protocol, rest) = match text.split_once("://") {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            _ => return Err(complaint("write tcp://HOST:PORT or udp://HOST:PORT")),
        };
        let (host, ports) = split(rest)?;
        let host = match network(host)? {
            Some(network) => HostPattern::Network(network),
            None => HostPattern::Name(host.parse().map_err(|_| {
                let help = "write its host as a name, *.NAME, an address or a CIDR such as 10.0.0.0/8 or [fd00::/8]";
                complaint(help)
            })?),
        };
        Ok(Self {
            protocol,
            host,
            ports,
        })
    }
}

impl FromStr for NetworkPattern {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (host, ports) = split(text)?;
        match network(host)? {
            Some(network) => Ok(Self { network, ports }),
            None => Err(complaint(
                "write CIDR:PORT, such as 10.0.0.0/8:514 or [fd00::/8]:514; a name will not do",
            )),
        }
    }
}

impl FromStr for Ports {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "*" {
            return Ok(Self::ALL);
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(complaint(
                "write its port as a number from 1 to 65535, a range such as 8000-8099, or *",
            )),
        }
    }
}

/// A number and nothing else: no sign.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port > 0)
}

/// What stands before the last colon, and the ports behind it.
fn split(text: &str) -> Result<(&str, Ports), ConfigError> {
    match text.rsplit_once(':') {
        // An address of IPv6 without its brackets, or one without a port.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => Err(complaint(
            "write IPv6 in brackets and a port, as in [fd00::/8]:514",
        )),
        Some((host, ports)) => Ok((host, ports.parse()?)),
        None => Err(complaint(
            "it has no port: write HOST:PORT, where * is any port",
        )),
    }
}

/// A network, or an address, which is a network of one; none if it is neither.
fn network(text: &str) -> Result<Option<IpNet>, ConfigError> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let text = inner.unwrap_or(text);
    let network = text.parse::<IpAddr>().map(IpNet::from);
    let Ok(network) = network.or_else(|_| text.parse::<IpNet>()) else {
        return match inner {
            Some(_) => Err(complaint(
                "write an address or a CIDR of IPv6 in the brackets",
            )),
            None => Ok(None),
        };
    };
    if inner.is_some() != network.addr().is_ipv6() {
        return Err(complaint("IPv6 stands in brackets, IPv4 does not"));
    }
    if network.addr() != network.network() {
        let right = network.trunc();
        return Err(ConfigError::new(format!(
            "{network} has bits behind its prefix: write {right}"
        )));
    }
    Ok(Some(unmapped(network)))
}

/// The network of IPv4 that is wrapped in one of IPv6, as addresses are unwrapped before they are compared.
fn unmapped(network: IpNet) -> IpNet {
    let prefix = network.prefix_len().checked_sub(96);
    match (network.addr().to_canonical(), prefix) {
        (IpAddr::V4(ip), Some(prefix)) if network.addr().is_ipv6() => {
            Ipv4Net::new(ip, prefix).map_or(network, IpNet::V4)
        }
        _ => network,
    }
}

fn complaint(help: &str) -> ConfigError {
    ConfigError::new(help.to_owned())
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for ConnectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.protocol, self.host, self.ports)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Network(network) => write_network(f, network),
        }
    }
}

impl fmt::Display for NetworkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_network(f, &self.network)?;
        write!(f, ":{}", self.ports)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ALL => f.write_str("*"),
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

/// A network of one is its address; IPv6 stands in brackets.
fn write_network(f: &mut fmt::Formatter<'_>, network: &IpNet) -> fmt::Result {
    let one = network.prefix_len() == network.max_prefix_len();
    match (network, one) {
        (IpNet::V4(network), true) => write!(f, "{}", network.addr()),
        (IpNet::V4(network), false) => write!(f, "{network}"),
        (IpNet::V6(network), true) => write!(f, "[{}]", network.addr()),
        (IpNet::V6(network), false) => write!(f, "[{network}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reads_as_it_is_written() {
        for text in [
            "tcp://example.com:80",
            "udp://*.example.com:*",
            "tcp://10.0.0.1:1",
            "udp://10.0.0.0/8:53",
            "tcp://[::1]:65535",
            "udp://[fd00::/8]:1-1024",
            "tcp://0.0.0.0/0:*",
            "tcp://[::/0]:*",
        ] {
            assert_eq!(
                text.parse::<ConnectPattern>().expect("one").to_string(),
                text
            );
        }
        for text in [
            "10.0.0.0/8:514",
            "127.0.0.1:*",
            "[fd00::/8]:514",
            "[::1]:1-2",
        ] {
            assert_eq!(
                text.parse::<NetworkPattern>().expect("one").to_string(),
                text
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said_in_one_line() {
        for (text, says) in [
            ("", "write tcp://HOST:PORT"),
            ("example.com:80", "write tcp://HOST:PORT"),
            ("http://example.com:80", "write tcp://HOST:PORT"),
            ("TCP://example.com:80", "write tcp://HOST:PORT"),
            ("tcp://example.com", "it has no port"),
            ("tcp://example.com:", "its port"),
            ("tcp://example.com:0", "its port"),
            ("tcp://example.com:65536", "its port"),
            ("tcp://example.com:+80", "its port"),
            ("tcp://example.com:90-80", "its port"),
            ("tcp://example.com:80-", "its port"),
            ("tcp://example.com:-80", "its port"),
            ("tcp://example.com:http", "its port"),
            ("tcp://:80", "its host"),
            ("tcp://*:80", "its host"),
            ("tcp://user@example.com:80", "its host"),
            ("tcp://example.com/:80", "its host"),
            ("tcp://10.0.0.256:80", "its host"),
            ("tcp://10.0.0.0/33:80", "its host"),
            (
                "tcp://10.1.2.3/8:80",
                "10.1.2.3/8 has bits behind its prefix: write 10.0.0.0/8",
            ),
            ("tcp://::1:80", "IPv6 in brackets"),
            ("tcp://[::1]", "IPv6 in brackets"),
            ("tcp://fd00::/8:80", "IPv6 in brackets"),
            ("tcp://[example.com]:80", "in the brackets"),
            (
                "tcp://[10.0.0.1]:80",
                "IPv6 stands in brackets, IPv4 does not",
            ),
            ("tcp://[fd00::1/8]:80", "write fd00::/8"),
        ] {
            let complaint = text.parse::<ConnectPattern>().expect_err(text).to_string();
            assert!(complaint.contains(says), "{text}: {complaint}");
            assert!(!complaint.contains('\n'), "{text}: {complaint}");
        }
        for text in [
            "example.com:80",
            "10.0.0.1",
            ":514",
            "*:514",
            "udp://10.0.0.1:514",
        ] {
            assert!(text.parse::<NetworkPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrapped_network_is_the_one_of_ipv4() {
        let pattern: NetworkPattern = "[::ffff:10.0.0.0/104]:1".parse().expect("one");
        assert_eq!(pattern.to_string(), "10.0.0.0/8:1");
        let pattern: NetworkPattern = "[::ffff:10.0.0.1]:1".parse().expect("one");
        assert_eq!(pattern.to_string(), "10.0.0.1:1");
    }
}
