//! What a handler can reach beside its request: nothing.

use std::net::TcpListener;

use tests::{Serve, TRANSPORTS, guest};

fn on_all(body: impl Fn(&tests::Server)) {
    for transport in TRANSPORTS {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(guest("misbehave")).on(transport, folder.path());
        body(&serve.env("SECRET_OF_THE_SERVER", "42").start());
    }
}

#[test]
fn the_environment_the_arguments_and_the_input_are_empty() {
    on_all(|server| {
        let told = server.ask("environment\n");
        assert!(told.starts_with("variables [] arguments [] "), "{told}");
        assert!(told.ends_with("input Ok(0)"), "{told}");
        assert!(!told.contains("SECRET"), "{told}");
    });
}

#[test]
fn no_file_and_no_folder_can_be_opened() {
    on_all(|server| {
        let told = server.ask("files\n");
        assert_eq!(told.matches("No such file").count(), 7, "{told}");
        assert!(!told.contains("WORKED"), "{told}");
    });
}

#[test]
fn no_socket_can_be_made_and_no_name_looked_up() {
    // Somebody is there, so that only the wall can be in the way.
    let there = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = there.local_addr().expect("bound");
    there.set_nonblocking(true).expect("set");
    on_all(|server| {
        let told = server.ask(format!("sockets {target}\n"));
        assert_eq!(told.matches("Permission denied").count(), 5, "{told}");
        assert!(!told.contains("WORKED"), "{told}");
    });
    assert!(there.accept().is_err(), "somebody connected");
}

#[test]
fn random_numbers_differ_from_request_to_request() {
    let server = Serve::new(guest("misbehave")).start();
    let numbers: std::collections::HashSet<String> =
        (0..10).map(|_| server.ask("random\n")).collect();
    assert_eq!(numbers.len(), 10);
}

#[test]
fn the_server_is_told_as_it_is_and_nothing_more() {
    let server = Serve::new(guest("misbehave")).start();
    assert_eq!(
        server.ask("about\n"),
        format!(
            "TransportType::Tcp ScheduleType::Threaded misbehave 1 at ipv4 127.0.0.1:{}",
            server.address().port()
        )
    );
}
