//! Packets that are received together, since they were there before anybody served: each is a request of its
//! own, and none is lost. `answers` is what their clients get, `taking` is who takes them, and how that ends.

mod answers;
mod taking;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use runtime::{Server, ServerConfig, ServerLimits};
use tokio::net::UdpSocket;

use super::{at, handler, soon};

/// As many as are received by one call of the kernel.
const TOGETHER: usize = 8;

/// Room for as many packets as a test sends, however slowly they are served, and for long answers.
fn config() -> ServerConfig {
    ServerConfig {
        receive_buffer: Some(4 << 20),
        limits: ServerLimits {
            max_concurrency: Some(256),
            max_amplification: None,
            ..ServerLimits::default()
        },
        ..super::config()
    }
}

fn bind_at(address: &str, config: ServerConfig) -> Server {
    Server::bind(&at(address), config, handler()).expect("a server")
}

fn bind(config: ServerConfig) -> Server {
    bind_at("udp://127.0.0.1:0", config)
}

fn ip_of(server: &Server) -> SocketAddr {
    server.server_address().ip().expect("one of IP")
}

/// Serves while the client's side is played, then shuts down.
async fn serve<T>(server: &Server, client: impl Future<Output = T>) -> T {
    let handle = server.shutdown_handle();
    let played = async {
        let played = client.await;
        handle.shutdown().await;
        played
    };
    let (served, played) = super::both(server.serve_forever(), played).await;
    served.expect("it serves");
    played
}

/// A client that has sent `packets` already.
async fn client(server: SocketAddr, packets: &[&str]) -> UdpSocket {
    let host: IpAddr = match server {
        SocketAddr::V4(_) => [0, 0, 0, 0].into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let client = UdpSocket::bind((host, 0)).await.expect("bound");
    let socket = socket2::SockRef::from(&client);
    socket.set_recv_buffer_size(4 << 20).expect("set");
    for packet in packets {
        let sent = client.send_to(packet.as_bytes(), server).await;
        sent.expect("sent");
    }
    client
}

/// The next answer, and who sent it.
async fn answer(client: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (count, from) = soon(client.recv_from(&mut buffer)).await.expect("answered");
    (String::from_utf8_lossy(&buffer[..count]).into(), from)
}

/// The next answers, sorted: requests that run side by side may overtake each other.
async fn answers(client: &UdpSocket, count: usize) -> Vec<String> {
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(answer(client).await.0);
    }
    answers.sort_unstable();
    answers
}
