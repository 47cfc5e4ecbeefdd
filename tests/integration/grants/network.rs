//! Whom a handler may look up and connect to.

use tests::{TRANSPORTS, answerer, greeter, refused};

use super::{assert_no, granting, serve};

#[test]
fn a_connection_goes_where_it_is_granted_over_every_transport() {
    let target = greeter();
    for transport in TRANSPORTS {
        let socket = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, socket.path());
        let server = server
            .args(["--connect", &format!("tcp://{target}")])
            .start();
        assert_eq!(server.ask(format!("connect {target}\n")), "hello");
    }
}

#[test]
fn a_connection_goes_nowhere_else() {
    let (target, other) = (greeter(), greeter());
    let port = target.port();
    for (pattern, goes) in [
        ("tcp://127.0.0.1:*".to_owned(), true),
        (format!("tcp://127.0.0.0/8:{port}"), true),
        (format!("tcp://127.0.0.0/8:{}-{port}", port - 1), true),
        // The Internet, and not this machine.
        ("tcp://0.0.0.0/0:*".to_owned(), false),
        ("tcp://[::/0]:*".to_owned(), false),
        (format!("tcp://[::ffff:127.0.0.1]:{port}"), true),
        (format!("tcp://127.0.0.2:{port}"), false),
        (format!("tcp://127.0.0.1:{}", other.port()), false),
        (format!("tcp://10.0.0.0/8:{port}"), false),
        (format!("tcp://[::1]:{port}"), false),
        (format!("udp://127.0.0.1:{port}"), false),
        (format!("tcp://localhost:{port}"), false),
    ] {
        let server = granting(["--connect", &pattern]);
        let answer = server.ask(format!("connect {target}\n"));
        if goes {
            assert_eq!(answer, "hello", "{pattern}");
        } else {
            assert_no(&answer, "Permission denied");
            let what = match pattern.starts_with("udp") {
                true => "make a tcp socket".to_owned(),
                false => format!("connect tcp {target}"),
            };
            let _ = server.said(&["the handler was denied", &what]);
        }
    }
}

/// Whoever rules a name's answers shall not rule whom a handler can reach in the server's own network.
#[test]
fn a_name_that_leads_to_this_machine_is_looked_up_and_not_connected_to() {
    let target = greeter();
    let port = target.port();
    let ask = format!("look-up-and-connect localhost {target}\n");
    let by_name = format!("tcp://localhost:{port}");
    let server = granting(["--connect", &by_name]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    assert_no(&server.ask(&ask), "Permission denied");
    assert_no(
        &server.ask(format!("connect localhost:{port}\n")),
        "Permission denied",
    );
    let _ = server.said(&["denied: connect tcp 127.0.0.1:"]);

    let by_address = format!("tcp://127.0.0.0/8:{port}");
    let server = granting(["--connect", &by_name, "--connect", &by_address]);
    assert_eq!(server.ask(&ask), "hello");
}

#[test]
fn an_address_of_ipv4_in_the_clothes_of_ipv6_goes_nowhere() {
    let port = greeter().port();
    let server = granting(["--connect", &format!("tcp://localhost:{port}")]);
    assert_no(
        &server.ask(format!("connect [::ffff:127.0.0.1]:{port}\n")),
        "",
    );
    assert_no(&server.ask(format!("connect [::127.0.0.1]:{port}\n")), "");
}

#[test]
fn names_are_looked_up_if_they_are_granted() {
    let server = granting(["--lookup", "LOCALHOST", "--lookup", "*.example.invalid"]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    // It may be asked for, and has no address.
    assert_no(&server.ask("look-up www.example.invalid\n"), "");
    assert_no(&server.ask("look-up example.invalid\n"), "");
    let _ = server.said(&["denied: look up example.invalid"]);
    assert_no(&server.ask("look-up localhost.evil.invalid\n"), "");
    let _ = server.said(&["denied: look up localhost.evil.invalid"]);
    assert!(
        !server.stderr().contains("denied: look up www."),
        "{server}"
    );
    // To look up is not to connect.
    let target = greeter();
    assert_no(
        &server.ask(format!("connect {target}\n")),
        "Permission denied",
    );
}

#[test]
fn packets_go_where_they_are_granted_and_nowhere_else() {
    let (target, other) = (answerer(), answerer());
    let server = granting(["--connect", &format!("udp://{target}")]);
    assert_eq!(server.ask(format!("ask {target}\n")), "answer");
    assert_eq!(
        server.ask(format!("ask-from 127.0.0.1:0 {target}\n")),
        "answer"
    );
    assert_no(&server.ask(format!("ask {other}\n")), "Permission denied");
    let _ = server.said(&[&format!("denied: send udp {other}")]);
}

#[test]
fn nobody_listens_whatever_is_granted() {
    let server = granting([
        "--connect",
        "tcp://0.0.0.0/0:*",
        "--connect",
        "udp://0.0.0.0/0:*",
    ]);
    for address in ["127.0.0.1:0", "0.0.0.0:0", "0.0.0.0:8080"] {
        assert_no(
            &server.ask(format!("listen {address}\n")),
            "Permission denied",
        );
    }
    for address in ["0.0.0.0:5353", "127.0.0.1:5353"] {
        let ask = format!("ask-from {address} 127.0.0.1:9\n");
        assert_no(&server.ask(ask), "Permission denied");
    }
}

#[test]
fn what_was_answered_in_one_request_is_forgotten_in_the_next() {
    let target = greeter();
    let server = granting(["--lookup", "localhost"]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    assert_no(
        &server.ask(format!("connect {target}\n")),
        "Permission denied",
    );
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    for (flag, value, says) in [
        ("--connect", "example.com:80", "write tcp://HOST:PORT"),
        ("--connect", "tcp://example.com", "it has no port"),
        ("--connect", "tcp://10.1.2.3/8:80", "write 10.0.0.0/8"),
        ("--connect", "tcp://[::1:80", "IPv6 in brackets"),
        ("--lookup", "*", "write a host name"),
        ("--lookup", "10.0.0.1", "write a host name"),
        ("--send-to", "example.com:514", "a name will not do"),
        ("--send-to", "10.0.0.0/8", "it has no port"),
    ] {
        refused(&[flag, value]).assert(2, &[flag, says]);
    }
}
