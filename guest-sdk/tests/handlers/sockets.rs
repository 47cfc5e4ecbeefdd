//! What Python's class attributes and socket methods do, and what a request tells.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use guest_sdk::testing::{self, StreamClient};
use guest_sdk::{
    Address, BaseRequestHandler, Connection, StreamRequest, StreamRequestHandler, UnixAddress,
    UnixName,
};

fn unnamed() -> Address {
    Address::Unix(UnixAddress {
        name: UnixName::Unnamed,
        peer: None,
    })
}

#[derive(Default)]
struct Defaults;

impl StreamRequestHandler for Defaults {
    fn handle(&mut self, _: &mut StreamRequest) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Attributes;

impl StreamRequestHandler for Attributes {
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));
    const DISABLE_NAGLE_ALGORITHM: bool = true;

    fn handle(&mut self, _: &mut StreamRequest) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn class_attributes_are_pythons() {
    let served = testing::stream::<Defaults>(["x"]);
    assert_eq!((served.timeout, served.no_delay), (None, false));
    let served = testing::stream::<Attributes>(["x"]);
    assert_eq!(
        (served.timeout, served.no_delay),
        (Some(Duration::from_secs(5)), true)
    );
}

#[test]
fn a_transport_without_nagle_ignores_the_attribute() {
    let served = StreamClient::new().at(unnamed()).serve::<Attributes>();
    assert!(served.result.is_ok());
    assert!(!served.no_delay);
}

#[test]
fn a_request_tells_whom_it_serves() {
    #[derive(Default)]
    struct Tell;
    impl StreamRequestHandler for Tell {
        fn handle(&mut self, request: &mut StreamRequest) -> io::Result<()> {
            let (server, client) = (request.server(), request.client_address());
            let (address, number) = (server.server_address(), server.request_id());
            write!(
                request.wfile,
                "{client} {address} {} {number}",
                server.transport()
            )
        }
    }
    let served = StreamClient::new().request_id(7).serve::<Tell>();
    assert_eq!(served.sent, b"127.0.0.1:50000 127.0.0.1:9999 tcp 7");
    let served = StreamClient::new().at(unnamed()).serve::<Tell>();
    assert_eq!(served.sent, b"unix: 127.0.0.1:9999 unix 1");
}

/// Tries what a socket can do, in an order in which all of it is seen.
#[derive(Default)]
struct Socket;

impl BaseRequestHandler<Connection> for Socket {
    fn handle(&mut self, request: &mut Connection) -> io::Result<()> {
        assert_eq!(request.recv(2)?, b"he");
        let mut three = [0; 3];
        assert_eq!(request.read(&mut three)?, 3);
        assert_eq!(&three, b"llo");
        let error = request.recv(100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(request.clone().recv(100)?, b"again");

        let error = request.set_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        request.shutdown(Shutdown::Read)?;
        assert!(request.recv(100)?.is_empty());
        assert_eq!(request.write(b"out")?, 3);
        request.flush()?;
        request.shutdown(Shutdown::Write)?;
        assert_eq!(
            request.sendall(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        Ok(())
    }
}

#[test]
fn a_connection_is_a_socket() {
    let client = StreamClient::new()
        .sends("hello")
        .is_quiet()
        .sends("again")
        .sends("unread");
    let served = client.serve::<Socket>();
    served.result.unwrap();
    assert_eq!(served.sent, b"out");
}
