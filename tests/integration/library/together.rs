//! Packets that are received together, since they were there before anybody served: each is a request of its
//! own, and none is lost.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use runtime::{
    Handled, Hooks, Request, Schedule, Server, ServerConfig, ServerLimits, ShutdownHandle,
};
use tests::Client;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::sync::Notify;

use super::{address_of, at, handler, soon};

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

#[tokio::test(flavor = "multi_thread")]
async fn each_client_is_answered_from_the_address_that_its_packet_came_to() {
    let has_ipv6 = std::net::UdpSocket::bind("[::1]:0").is_ok();
    for everywhere in ["udp://0.0.0.0:0", "udp://:0"] {
        let server = bind_at(everywhere, config());
        let port = ip_of(&server).port();
        let mut hosts: Vec<IpAddr> = vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        if has_ipv6 && ip_of(&server).is_ipv6() {
            hosts.push(Ipv6Addr::LOCALHOST.into());
        }
        let mut clients = Vec::new();
        // More than are received together, alternately to each address.
        for _ in 0..TOGETHER {
            for host in &hosts {
                let address = SocketAddr::new(*host, port);
                clients.push((client(address, &["server", "client"]).await, address));
            }
        }
        serve(&server, async {
            for (client, address) in clients {
                let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
                let mut told = Vec::new();
                for _ in ["server", "client"] {
                    let (answer, from) = answer(&client).await;
                    assert_eq!(from, address);
                    told.push(answer);
                }
                assert!(told.contains(&format!("{family} {address}")), "{told:?}");
                // The kernel chose the client's address; its port is its own.
                let me = format!(":{}", client.local_addr().expect("bound").port());
                assert!(told.iter().any(|told| told.ends_with(&me)), "{told:?}");
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unix_client_is_answered_by_its_own_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let server = bind_at(&format!("unixgram://{}", path.display()), config());
    let mut clients = Vec::new();
    for number in 0..TOGETHER {
        let name = folder.path().join(format!("client-{number}"));
        let client = UnixDatagram::bind(&name).expect("bound");
        client.send_to(b"client", &path).await.expect("sent");
        clients.push((client, name));
    }
    serve(&server, async {
        for (client, name) in clients {
            let mut buffer = [0; 1000];
            let count = soon(client.recv(&mut buffer)).await.expect("an answer");
            let told = String::from_utf8_lossy(&buffer[..count]);
            let me = format!(
                "unix path {} pid Some({})",
                name.display(),
                std::process::id()
            );
            assert!(told.starts_with(&me), "{told}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_own_length_and_only_the_long_ones_are_cut_short() {
    let server = bind(ServerConfig {
        max_packet_size: 100,
        ..config()
    });
    let packet = |length: usize| format!("{:x<length$}", "length\n");
    let packets = [
        packet(40),
        packet(101),
        packet(100),
        packet(5000),
        packet(7),
    ];
    let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
    let client = client(ip_of(&server), &packets).await;
    let answers = serve(&server, answers(&client, packets.len())).await;
    let mut expected = ["40 false", "100 true", "100 false", "100 true", "7 false"];
    expected.sort_unstable();
    assert_eq!(answers, expected);
    assert_eq!(server.counters().truncated, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_send_more_than_is_held_at_a_time() {
    let server = bind(config());
    let client = client(ip_of(&server), &["many 200", "upper x", "many 200"]).await;
    let answers = serve(&server, answers(&client, 401)).await;
    let numbers = (0..200).map(|number| number.to_string());
    let mut expected: Vec<String> = numbers.clone().chain(numbers).collect();
    expected.push("X".to_owned());
    expected.sort_unstable();
    assert_eq!(answers, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_comes_whole_and_one_too_long_is_its_handlers_to_hear() {
    let server = bind(config());
    let lengths = [16_384, 16_385, 40_000, 65_507];
    let requests: Vec<String> = lengths
        .iter()
        .flat_map(|length| [format!("long {length}"), "long 65508".to_owned()])
        .collect();
    let requests: Vec<&str> = requests.iter().map(String::as_str).collect();
    let client = client(ip_of(&server), &requests).await;
    let mut answers = serve(&server, answers(&client, requests.len())).await;
    let refused = answers.extract_if(.., |answer| answer == "message-too-long");
    assert_eq!(refused.count(), lengths.len());
    let answered: Vec<usize> = answers.iter().map(String::len).collect();
    assert_eq!(answered, lengths);
}

/// Asks for the shutdown at the first request.
#[derive(Default)]
struct Ending(Arc<OnceLock<ShutdownHandle>>);

impl Hooks for Ending {
    fn verify_request(&self, _: &Request) -> bool {
        drop(self.0.get().expect("a handle").shutdown());
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_before_the_shutdown_is_answered() {
    let ending = Ending::default();
    let handle = Arc::clone(&ending.0);
    let server = bind(config()).with_hooks(ending);
    handle.set(server.shutdown_handle()).expect("set once");
    let client = client(ip_of(&server), &["upper x"; TOGETHER]).await;
    soon(server.serve_forever()).await.expect("it serves");
    // Nobody serves any more: what has not left by now, never will.
    assert_eq!(answers(&client, TOGETHER).await, ["X"; TOGETHER]);
    assert_eq!(server.counters().ok, TOGETHER as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn handle_request_takes_one_packet_and_leaves_the_others_with_the_kernel() {
    for schedule in [Schedule::Sync, Schedule::Threaded] {
        let server = bind(ServerConfig {
            schedule,
            ..config()
        });
        let client = client(ip_of(&server), &["upper one", "upper two", "upper three"]).await;
        for (request, next) in [("ONE", "upper two"), ("TWO", "upper three")] {
            let handled = soon(server.handle_request()).await.expect("it serves");
            assert_eq!(handled, Handled::Request);
            assert_eq!(answer(&client).await.0, request);
            let mut buffer = [0; 100];
            let socket = server.as_fd();
            let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
            let (count, _) = rustix::net::recv(socket, &mut buffer, flags).expect("a packet");
            assert_eq!(String::from_utf8_lossy(&buffer[..count]), next);
        }
    }
}

/// Notes who takes requests, and how often it is asked what else is to be done.
#[derive(Default)]
struct Takers {
    threads: Mutex<HashSet<ThreadId>>,
    actions: AtomicUsize,
}

struct Slow(Arc<Takers>);

impl Hooks for Slow {
    fn verify_request(&self, _: &Request) -> bool {
        let mut threads = self.0.threads.lock().expect("not poisoned");
        threads.insert(thread::current().id());
        drop(threads);
        // So slow that one thread alone cannot keep up.
        thread::sleep(Duration::from_millis(1));
        true
    }

    fn service_actions(&self) -> Option<Duration> {
        self.0.actions.fetch_add(1, SeqCst);
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_threads_take_requests_and_each_calls_service_actions() {
    const PACKETS: usize = 200;
    let takers = Arc::new(Takers::default());
    let server = bind(config()).with_hooks(Slow(Arc::clone(&takers)));
    let client = client(ip_of(&server), &["upper x"; PACKETS]).await;
    let answers = serve(&server, answers(&client, PACKETS)).await;
    assert_eq!(answers, ["X"; PACKETS]);
    assert!(takers.threads.lock().expect("not poisoned").len() > 1);
    // Once at the beginning, and after each request; the last one's may have come after the shutdown.
    let actions = takers.actions.load(SeqCst);
    assert!((PACKETS..=PACKETS + 1).contains(&actions), "{actions}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_have_to_wait_are_answered_later() {
    let server = bind(config());
    let client = client(ip_of(&server), &["sleep 50"; TOGETHER]).await;
    let answers = serve(&server, answers(&client, TOGETHER)).await;
    assert_eq!(answers, ["slept"; TOGETHER]);
}

#[tokio::test]
async fn one_thread_is_enough() {
    let server = bind(config());
    let client = client(ip_of(&server), &["upper x"; 5 * TOGETHER]).await;
    let answers = serve(&server, answers(&client, 5 * TOGETHER)).await;
    assert_eq!(answers, ["X"; 5 * TOGETHER]);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_wait_for_room_are_all_served() {
    for max_concurrency in [1, 2] {
        let server = bind(ServerConfig {
            limits: ServerLimits {
                max_concurrency: Some(max_concurrency),
                ..ServerLimits::default()
            },
            when_full: runtime::WhenFull::Wait,
            ..config()
        });
        let requests: Vec<&str> = ["sleep 3", "upper x"].repeat(30);
        let client = client(ip_of(&server), &requests).await;
        let answers = serve(&server, answers(&client, requests.len())).await;
        assert_eq!(answers[..30], ["X"; 30]);
        assert_eq!(answers[30..], ["slept"; 30]);
        assert_eq!(server.counters().refused, 0);
    }
}

/// A second packet of the same client finds its server as it was, however the first one ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_its_own_requests_only() {
    let server = bind(config());
    let requests = [
        "upper x", "panic x", "upper x", "spin", "upper x", "exit 1", "error x",
    ];
    let client = client(ip_of(&server), &requests).await;
    let address = address_of(&server);
    serve(&server, async {
        assert_eq!(answers(&client, 3).await, ["X"; 3]);
        let asked = tokio::task::spawn_blocking(move || Client::connect(&address).ask(b"upper y"));
        assert_eq!(soon(asked).await.expect("no panic").expect("answered"), "Y");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_handlers_answers_keep_their_order() {
    let server = bind(config());
    // Alone it would not be held; more are sent than are held.
    let client = client(ip_of(&server), &["many 200", "silence"]).await;
    let answers = serve(&server, async {
        let mut answers = Vec::new();
        for _ in 0..200 {
            answers.push(answer(&client).await.0);
        }
        answers
    });
    let wanted: Vec<_> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(answers.await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_does_not_overtake_a_short_one() {
    let server = bind(config());
    let client = client(ip_of(&server), &["upper first", "long 20000", "silence"]).await;
    let lengths = serve(&server, async {
        [answer(&client).await.0.len(), answer(&client).await.0.len()]
    });
    assert_eq!(lengths.await, [5, 20_000]);
}

/// Tells when a request is taken.
struct Telling(Arc<Notify>, u64);

impl Hooks for Telling {
    fn verify_request(&self, request: &Request) -> bool {
        if request.id() == self.1 {
            self.0.notify_one();
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_after_serve_forever_was_dropped_is_answered() {
    let taken = Arc::new(Notify::new());
    let server = bind(config()).with_hooks(Telling(Arc::clone(&taken), 10));
    let client = client(ip_of(&server), &["sleep 50"; 32]).await;
    tokio::select! {
        () = taken.notified() => {}
        _ = server.serve_forever() => panic!("nobody asked it to end"),
    }
    let mut answered = 0;
    soon(async {
        while answered < 9 || answered < server.counters().ok {
            answer(&client).await;
            answered += 1;
        }
        server.wait_for_requests().await;
    })
    .await;
    while answered < server.counters().ok {
        soon(answer(&client)).await;
        answered += 1;
    }
}
