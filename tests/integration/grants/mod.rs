//! What an operator grants, and what is refused beside it: variables of the `environment`, `directories`, names and
//! addresses of a `network`, packets `sent` by the server's own socket.

mod directories;
mod environment;
mod network;
mod sent;

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use tests::{Serve, Server, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave")).args(["--log-level", "debug"])
}

/// A server with these grants.
fn granting<A: AsRef<std::ffi::OsStr>>(flags: impl IntoIterator<Item = A>) -> Server {
    serve().args(flags).start()
}

/// Somebody on 127.0.0.1 who answers packets.
fn answerer() -> SocketAddr {
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

#[track_caller]
fn assert_no(answer: &str, why: &str) {
    assert!(
        answer.starts_with("NO: ") && answer.contains(why),
        "{answer}"
    );
}
