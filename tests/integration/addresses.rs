//! Where a server listens: IPv6, every interface, names, sockets that somebody else has bound.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};

use tests::{Address, Client, Serve, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave"))
}

/// True if the machine has IPv6; else the test says that it is skipped.
fn has_ipv6() -> bool {
    let has = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        println!("skipped: no IPv6");
    }
    has
}

fn address_of(transport: &str, address: SocketAddr) -> Address {
    if transport == "udp" {
        Address::Udp(address)
    } else {
        Address::Tcp(address)
    }
}

#[test]
fn on_ipv6_alone() {
    for transport in ["tcp", "udp"] {
        if !has_ipv6() {
            return;
        }
        let server = serve().args(["--proto", transport]).bind("[::1]:0").start();
        server.assert_well();
        let _ = server.said(&[&format!("listening on {transport}://[::1]:")]);
        let mut client = server.connect();
        let me = format!("ipv6 {}", client.local_address());
        if transport == "tcp" {
            assert_eq!(client.ask(b"client\n").expect("an answer"), me);
        } else {
            let told = client.ask(b"client\n").expect("an answer");
            assert!(told.starts_with("ipv6 [::1]:"), "{told}");
        }
    }
}

#[test]
fn on_every_interface_with_both_families() {
    for transport in ["tcp", "udp"] {
        let server = serve()
            .args(["--proto", transport, "--access-log", "all"])
            .bind(":0")
            .start();
        let port = server.address().port();
        let mut hosts: Vec<(std::net::IpAddr, &str)> =
            vec![(Ipv4Addr::LOCALHOST.into(), "ipv4 127.0.0.1:")];
        if has_ipv6() {
            hosts.push((Ipv6Addr::LOCALHOST.into(), "ipv6 [::1]:"));
            let _ = server.said(&[&format!("listening on {transport}://[::]:{port}")]);
        }
        for (host, me) in hosts {
            let mut client = Client::connect(&address_of(transport, (host, port).into()));
            let told = client.ask(b"client\n").expect("an answer");
            assert!(told.starts_with(me), "{told}");
            let mut client = Client::connect(&address_of(transport, (host, port).into()));
            assert_eq!(client.ask(b"upper well\n").expect("an answer"), "WELL");
        }
        // The log, too, knows an IPv4 client as one.
        let _ = server.said(&["outcome=\"ok\"", "client=127.0.0.1:"]);
    }
}

#[test]
fn on_ipv4_everywhere() {
    let server = serve().bind("0.0.0.0:0").start();
    let address = Address::Tcp((Ipv4Addr::LOCALHOST, server.address().port()).into());
    assert_eq!(
        Client::connect(&address)
            .ask(b"upper well\n")
            .expect("an answer"),
        "WELL"
    );
}

#[test]
fn by_name() {
    let server = serve().bind("localhost:0").start();
    server.assert_well();
    let _ = server.said(&["listening on tcp://127.0.0.1:"]);
}

#[test]
fn a_name_that_nobody_knows() {
    let ended = serve().bind("no-such-host.invalid:0").run();
    ended.assert_one_line(1, &["cannot find an address", "no-such-host.invalid"]);
}

#[test]
fn the_printed_form_can_be_bound_without_naming_the_transport() {
    let server = serve().bind("udp://127.0.0.1:0").start();
    let _ = server.said(&["listening on udp://127.0.0.1:"]);
    server.assert_well();
}

#[test]
fn json_lines_say_where_too() {
    let server = serve()
        .args(["--log-format", "json", "--log-level", "off"])
        .start();
    server.assert_well();
}

#[test]
fn a_bound_tcp_socket_is_taken_over() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = socket.local_addr().expect("bound");
    let server = serve().stdin(socket.into()).bind("fd:0").start();
    assert_eq!(server.address(), Address::Tcp(address));
    server.assert_well();
}

#[test]
fn a_bound_udp_socket_is_taken_over() {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("bound");
    let port = socket.local_addr().expect("bound").port();
    let _server = serve()
        .stdin(socket.into())
        .args(["--proto", "udp"])
        .bind("fd:0")
        .start();
    let address = Address::Udp(([127, 0, 0, 2], port).into());
    assert_eq!(
        Client::connect(&address)
            .ask(b"upper well")
            .expect("an answer"),
        "WELL"
    );
}

#[test]
fn a_bound_unix_socket_is_taken_over_and_its_file_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theirs");
    let socket = UnixListener::bind(&path).expect("bound");
    let server = serve()
        .stdin(socket.into())
        .args(["--proto", "unix"])
        .bind("fd:0")
        .start();
    server.assert_well();
    server.stop().assert(0, &[]);
    assert!(path.exists(), "it belongs to whoever bound it");

    let path = folder.path().join("theirs-too");
    let socket = UnixDatagram::bind(&path).expect("bound");
    let server = serve()
        .stdin(socket.into())
        .args(["--proto", "unixgram"])
        .bind("fd:0")
        .start();
    server.assert_well();
}

#[test]
fn a_descriptor_that_does_not_fit_is_refused() {
    let udp = || UdpSocket::bind("127.0.0.1:0").expect("bound");
    let ended = serve().stdin(udp().into()).bind("fd:0").run();
    ended.assert_one_line(1, &["it is one of udp", "--proto udp"]);
    let ended = serve().bind("fd:0").run();
    ended.assert_one_line(1, &["not a socket"]);
    let ended = serve().bind("fd:99").run();
    ended.assert_one_line(1, &["no such descriptor"]);
    let unbound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let ended = serve()
        .stdin(unbound.expect("a socket").into())
        .bind("fd:0")
        .run();
    ended.assert_one_line(1, &["not bound"]);
}

#[test]
fn a_shared_port_and_a_socket_of_ones_own() {
    let first = serve()
        .args(["--proto", "udp", "--allow-reuse-port"])
        .start();
    let address = format!("127.0.0.1:{}", first.address().port());
    let second = serve()
        .args(["--proto", "udp", "--allow-reuse-port"])
        .bind(&address)
        .start();
    assert_eq!(second.address(), first.address());
    let ended = serve().args(["--proto", "udp"]).bind(&address).run();
    ended.assert_one_line(1, &["cannot bind", "in use"]);
}
