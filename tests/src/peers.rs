//! Whom a handler with a grant may talk to.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;

/// Somebody on 127.0.0.1 who says hello to whoever connects.
#[must_use]
pub fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming() {
            drop(client.expect("a client").write_all(b"hello"));
        }
    });
    address
}

/// Somebody on 127.0.0.1 who answers packets.
#[must_use]
pub fn answerer() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            drop(socket.send_to(b"answer", client));
        }
    });
    address
}
