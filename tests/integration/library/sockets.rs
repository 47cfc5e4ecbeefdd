//! The socket first and the server later; a socket of somebody else; a connection of somebody else.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd as _;

use runtime::{BindError, ClientAddress, Endpoint, LoadError, Server, Transport, UnixName};
use tests::{Address, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::{address_of, ask, at, bind, both, config, finish, handler, soon};

#[tokio::test(flavor = "multi_thread")]
async fn server_bind_and_server_activate_apart() {
    let address = at("tcp://127.0.0.1:0");
    let bound = Server::server_bind(&address, config(), handler()).expect("bound");
    let place = Address::parse(&bound.server_address().to_string()).expect("an address");
    assert_ne!(place.port(), 0);
    assert!(Client::try_connect(&place).is_err(), "nobody listens yet");
    assert!(socket2::SockRef::from(&bound.as_fd()).local_addr().is_ok());
    let server = bound.server_activate().expect("listening");
    assert_eq!(
        socket2::SockRef::from(&server.as_fd()).is_listener().ok(),
        Some(true)
    );
    let (handled, answer) = both(server.handle_request(), ask(&place, "upper now")).await;
    handled.expect("it serves");
    assert_eq!(answer, "NOW");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_socket_is_accepted() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = tcp.local_addr().expect("bound");
    let bound = Server::from_socket(tcp.into(), Transport::Tcp, config(), handler());
    let server = bound
        .expect("accepted")
        .server_activate()
        .expect("listening");
    assert_eq!(server.server_address().ip(), Some(address));
    let place = address_of(&server);
    let (_, answer) = both(server.handle_request(), ask(&place, "upper a")).await;
    assert_eq!(answer, "A");

    let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let bound = Server::from_socket(udp.into(), Transport::Udp, config(), handler());
    let server = bound.expect("accepted").server_activate().expect("active");
    let place = address_of(&server);
    let (_, answer) = both(server.handle_request(), ask(&place, "upper b")).await;
    assert_eq!(answer, "B");
}

#[tokio::test]
async fn a_socket_of_another_kind_is_refused() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let bound = Server::from_socket(udp.into(), Transport::Tcp, config(), handler());
    let Err(error) = bound else {
        panic!("it was accepted")
    };
    assert!(matches!(error, BindError::WrongSocket { .. }), "{error}");
}

fn somebody() -> ClientAddress {
    ClientAddress {
        endpoint: Endpoint::Unix(UnixName::Abstract(b"somebody".to_vec())),
        credentials: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_program_accepted_by_itself() {
    let server = bind(config());
    let (mut client, theirs) = duplex(64);
    server
        .process_request(theirs, somebody())
        .await
        .expect("processed");
    client.write_all(b"client\n").await.expect("sent");
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer))
        .await
        .expect("an answer");
    assert_eq!(answer, "unix abstract somebody");

    // Much more than the pair holds, both ways.
    let (client, theirs) = duplex(1000);
    server
        .process_request(theirs, somebody())
        .await
        .expect("processed");
    let (mut reading, mut writing) = tokio::io::split(client);
    let sending = tokio::spawn(async move {
        writing.write_all(b"echo\n").await.expect("sent");
        writing.write_all(&vec![b'x'; 300_000]).await.expect("sent");
        writing.shutdown().await.expect("ended");
    });
    let mut answer = Vec::new();
    soon(reading.read_to_end(&mut answer))
        .await
        .expect("an answer");
    assert_eq!(answer.len(), 300_000);
    soon(sending).await.expect("no panic");
    assert_eq!(soon(server.server_close()).await, runtime::Closed::Drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_packets_has_no_use_for_a_connection() {
    let server = Server::bind(&at("udp://127.0.0.1:0"), config(), handler()).expect("bound");
    let (_client, theirs) = duplex(64);
    assert!(server.process_request(theirs, somebody()).await.is_err());
}

#[test]
fn a_connection_is_watched_only_while_something_is_waited_for() {
    super::in_a_process_of_its_own("library::sockets::watched_descriptors");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "counts what the whole process watches: run by the test above"]
async fn watched_descriptors() {
    let server = bind(config());
    let address = address_of(&server);
    let connect = |request: &[u8]| {
        let mut client = Client::connect(&address);
        client.send(request).expect("sent");
        client
    };
    // What came before the connection was accepted is there when the handler reads.
    let quick = connect(b"upper quick\n");
    soon(server.handle_request()).await.expect("it serves");
    assert_eq!(finish(quick, "").await, "QUICK");
    let before = watched();
    let _sleeping = connect(b"sleep 3600000\n");
    soon(server.handle_request()).await.expect("it serves");
    assert_eq!(watched(), before, "its handler waits for the clock only");

    let late = connect(b"");
    soon(server.handle_request()).await.expect("it serves");
    soon(async {
        while watched() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(finish(late, "upper late\n").await, "LATE");
    assert_eq!(watched(), before, "it is closed");
}

/// How many descriptors the epoll instances of this process watch.
fn watched() -> usize {
    let folder = std::fs::read_dir("/proc/self/fdinfo").expect("descriptors");
    let files = folder.map(|entry| std::fs::read_to_string(entry.expect("an entry").path()));
    files
        .map(|file| file.unwrap_or_default().matches("tfd:").count())
        .sum()
}

#[test]
fn typed_errors_say_whose_fault_it_is() {
    let limits = runtime::Limits::default();
    let missing = runtime::Handler::load("/no/such.wasm", limits).err();
    assert!(matches!(missing, Some(LoadError::Read { .. })));
    let text = runtime::Handler::from_bytes("x", b"text", limits, None).err();
    assert!(matches!(text, Some(LoadError::NotAComponent { .. })));
    let config = runtime::ServerConfig {
        limits: runtime::ServerLimits {
            max_concurrency: Some(0),
            ..runtime::ServerLimits::default()
        },
        ..config()
    };
    let nothing = Server::bind(&at("tcp://127.0.0.1:0"), config, handler()).err();
    assert!(matches!(nothing, Some(BindError::Config(_))));
    let nowhere = Server::bind(&at("tcp://192.0.2.1:0"), super::config(), handler()).err();
    assert!(matches!(nowhere, Some(BindError::Socket { .. })));
}
