//! What must hold of whatever comes from outside: a check for each fuzz target. `runtime/tests/corpus.rs` makes the
//! same checks of the kept corpus whenever tests run.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use runtime::{
    BindAddress, ConnectPattern, Directory, Handler, HostPattern, IpNet, Limits, NamePattern,
    NetworkPattern, Ports, Transport, Variable, child_message, client_network,
};

const TRANSPORTS: [Transport; 4] = [
    Transport::Tcp,
    Transport::Udp,
    Transport::Unix,
    Transport::Unixgram,
];

/// Addresses to bind: what is read is printed so that it is read again as the same, and what names its transport is an
/// address of that one only.
pub fn address(text: &str) {
    let read = TRANSPORTS.map(|transport| accepted(BindAddress::new(transport, text)));
    for address in read.iter().flatten() {
        // Control characters are printed written out, which is another address.
        if !text.contains(char::is_control) {
            assert_reads_the_same(address);
        }
    }
    if let Some(address) = accepted(text.parse::<BindAddress>()) {
        let all: Vec<_> = read.into_iter().flatten().collect();
        assert_eq!(all, [address]);
    }
}

/// Networks of clients, and of those whom a handler may send packets to.
pub fn networks(text: &str) {
    let pattern = accepted(text.parse::<NetworkPattern>());
    if let Some(pattern) = &pattern {
        assert_reads_the_same(pattern);
        assert_holds_its_first_address(pattern.network);
        assert_in_order(pattern.ports);
    }
    assert_eq!(pattern, behind_tcp(text), "as for --connect");

    let Some(network) = accepted(client_network(text)) else {
        return;
    };
    let printed = network.to_string();
    assert_eq!(client_network(&printed), Ok(network), "{printed}");
    let any_port = match network {
        IpNet::V4(network) => format!("{network}:*"),
        IpNet::V6(network) => format!("[{network}]:*"),
    };
    let has_bits_behind_its_prefix = network != network.trunc();
    let pattern = accepted(any_port.parse::<NetworkPattern>());
    assert_eq!(pattern.is_none(), has_bits_behind_its_prefix, "{any_port}");
}

/// The network and the ports that `text` grants to connect to, if it is not a name's.
fn behind_tcp(text: &str) -> Option<NetworkPattern> {
    let pattern: ConnectPattern = format!("tcp://{text}").parse().ok()?;
    match pattern.host {
        HostPattern::Network(network) => Some(NetworkPattern {
            network,
            ports: pattern.ports,
        }),
        HostPattern::Name(_) => None,
    }
}

/// Grants, each of which sees the same text.
pub fn grants(text: &str) {
    if let Some(pattern) = accepted(text.parse::<ConnectPattern>()) {
        assert_reads_the_same(&pattern);
        assert_in_order(pattern.ports);
        if let HostPattern::Network(network) = pattern.host {
            assert_holds_its_first_address(network);
        }
    }
    if let Some(pattern) = accepted(text.parse::<NamePattern>()) {
        assert_reads_the_same(&pattern);
        assert_eq!(text.to_ascii_uppercase().parse(), Ok(pattern), "case");
    }
    if let Some(ports) = accepted(text.parse::<Ports>()) {
        assert_reads_the_same(&ports);
        assert_in_order(ports);
    }
    if let Some(directory) = accepted(text.parse::<Directory>()) {
        let printed = directory.to_string();
        let paths = printed.strip_suffix(" read-only").unwrap_or(&printed);
        assert_eq!(paths.parse(), Ok(directory), "{printed}");
    }
    if let Some(variable) = accepted(text.parse::<Variable>()) {
        assert_eq!(variable.to_string(), text);
    }
}

/// Components: whatever the bytes are, they are refused, or a handler that fits into its limits.
pub fn component(bytes: &[u8]) {
    let limits = Limits::default();
    let Ok(handler) = Handler::from_bytes("fuzzed", bytes, limits, None) else {
        return;
    };
    assert!(handler.handles_streams() || handler.handles_datagrams());
    assert!(handler.initial_memory() <= limits.max_memory);
    // The engine's own count: the limit was checked against another, made before anything was compiled.
    assert!(handler.memories() <= limits.max_memories);
    assert!(handler.tables() <= limits.max_tables);
}

/// What a child says to its server, which trusts none: whatever the bytes are, they are no message, or one that takes no
/// more room than they did, and is read again as the same.
pub fn child(bytes: &[u8]) {
    let Some(message) = child_message(bytes) else {
        return;
    };
    assert!(message.len() <= bytes.len(), "{bytes:?} became {message:?}");
    assert_eq!(child_message(&message), Some(message.clone()));
}

/// What was read, if it was not refused, which takes one line.
fn accepted<T>(read: Result<T, impl Display>) -> Option<T> {
    read.map_err(|refusal| {
        let refusal = refusal.to_string();
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    })
    .ok()
}

fn assert_reads_the_same<T: FromStr + Display + PartialEq + Debug>(value: &T) {
    let printed = value.to_string();
    assert_eq!(printed.parse().ok().as_ref(), Some(value), "{printed}");
}

/// Clients of IPv4 are judged as such, however their address is written: a network that wraps it holds nobody.
fn assert_holds_its_first_address(network: IpNet) {
    let first = network.network();
    assert_eq!(first, network.addr(), "bits behind the prefix");
    assert!(network.contains(&first.to_canonical()), "{network}");
}

fn assert_in_order(ports: Ports) {
    assert!((1..=ports.last).contains(&ports.first), "{ports}");
}
