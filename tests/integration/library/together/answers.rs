//! What clients of packets that are received together are answered, and from where.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use runtime::ServerConfig;
use tests::Client;
use tokio::net::UnixDatagram;

use super::{TOGETHER, answer, answers, bind, bind_at, client, config, ip_of, serve};
use crate::library::{address_of, soon};

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
