//! Clients that reset, half-close, say nothing, send too much or read slowly; and what the contract promises
//! a handler about them.

use std::io::ErrorKind;

use tests::{Serve, Server, guest};

fn serve() -> Server {
    Serve::new(guest("misbehave"))
        .args(["--access-log", "all"])
        .start()
}

fn on_unix(folder: &tempfile::TempDir) -> Server {
    let serve = Serve::new(guest("misbehave")).on("unix", folder.path());
    serve.args(["--access-log", "all"]).start()
}

#[test]
fn a_client_that_resets_is_seen_as_reset_and_is_its_own_fault() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"until-reset\n").expect("sent");
    assert_eq!(client.exactly(5).expect("an answer"), "ready");
    client.reset().expect("reset");
    let _ = server.said(&["outcome=\"client-gone\"", "fault=client"]);
    server.assert_well();
}

#[test]
fn a_client_that_resets_after_its_handler_returned_changes_nothing() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"reply done\n").expect("sent");
    assert_eq!(client.exactly(4).expect("an answer"), "done");
    let _ = server.said(&["outcome=\"ok\"", "id=1"]);
    client.reset().expect("reset");
    server.assert_well();
    assert_eq!(server.stop().stderr.matches("fault=").count(), 0);
}

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        let mut client = server.connect();
        client.send(b"length\nfour").expect("sent");
        client.half_close().expect("half closed");
        assert_eq!(client.answer().expect("an answer"), "4");
    }
}

/// A read ends at urgent data, whatever follows it.
#[test]
fn urgent_data_in_the_middle_does_not_hold_up_what_follows() {
    let server = serve();
    for before_the_handler_waits in [true, false] {
        let mut client = server.connect();
        client.send(b"echo\n").expect("sent");
        if !before_the_handler_waits {
            client.send(b"first").expect("sent");
            assert_eq!(client.exactly(5).expect("an answer"), "first");
        }
        client.send(b"before").expect("sent");
        client.send_urgent(b"!").expect("sent");
        client.send(b"after").expect("sent");
        assert_eq!(client.exactly(11).expect("an answer"), "beforeafter");
        client.half_close().expect("half closed");
        assert_eq!(client.answer().expect("the stream's end"), "");
    }
}

#[test]
fn a_client_that_says_nothing_and_leaves_is_no_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        drop(server.connect());
        let line = server.said(&["id=1"]);
        assert!(line.contains("outcome=\"ok\""), "{line}");
        server.assert_well();
    }
}

#[test]
fn a_client_that_sends_a_megabyte_is_read_to_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        let mut client = server.connect();
        client.send(b"length\n").expect("sent");
        client.send(&vec![b'x'; 1 << 20]).expect("sent");
        client.half_close().expect("half closed");
        assert_eq!(client.answer().expect("an answer"), (1 << 20).to_string());
    }
}

/// The kernel resets a connection that is closed with unread bytes in it, and the reset can overtake the
/// answer: so the server reads on for a while.
#[test]
fn an_answer_survives_what_the_handler_did_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        for _ in 0..10 {
            let mut client = server.connect();
            let mut request = b"reply answer\n".to_vec();
            request.resize(32 * 1024, b'x');
            client.send(&request).expect("sent");
            assert_eq!(client.answer().expect("an answer"), "answer");
        }
    }
}

#[test]
fn a_megabyte_that_nobody_reads_does_not_harm_the_server() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"reply answer\n").expect("sent");
    // It may be reset in the middle: that is the price of sending what nobody asked for.
    drop(client.send(&vec![b'x'; 1 << 20]));
    drop(client);
    server.assert_well();
}

fn assert_pattern(bytes: &[u8], length: usize) {
    assert_eq!(bytes.len(), length);
    let wrong = bytes
        .iter()
        .enumerate()
        .position(|(place, byte)| usize::from(*byte) != place % 251);
    assert_eq!(wrong, None);
}

#[test]
fn an_answer_of_16_mib_comes_whole() {
    const LENGTH: usize = 16 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        for face in ["wfile-write", "blocking-write"] {
            let mut client = server.connect();
            client
                .send(format!("{face} {LENGTH}\n").as_bytes())
                .expect("sent");
            assert_pattern(&client.bytes().expect("an answer"), LENGTH);
        }
        server.stop().assert(0, &["outcome=\"ok\""]);
    }
}

#[test]
fn a_client_that_reads_slowly_gets_everything_while_others_are_served() {
    const LENGTH: usize = 4 << 20;
    let server = Serve::new(guest("misbehave"))
        .args(["--send-buffer", "32KiB"])
        .start();
    let mut slow = server.connect();
    slow.send(format!("wfile-write {LENGTH}\n").as_bytes())
        .expect("sent");
    let mut bytes = Vec::new();
    while bytes.len() < LENGTH {
        let more = slow.receive().expect("more");
        assert!(
            !more.is_empty(),
            "it ended after {} bytes: {server}",
            bytes.len()
        );
        bytes.extend(more);
        if bytes.len() % 16 == 0 {
            server.assert_well();
        }
    }
    assert_pattern(&bytes, LENGTH);
}

#[test]
fn a_write_is_seen_by_the_client_before_the_handler_reads_on() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        let mut client = server.connect();
        client.send(b"greet\n").expect("sent");
        assert_eq!(client.exactly(5).expect("a greeting"), "hello");
        assert_eq!(client.ask(b"and you").expect("an answer"), "and you");
    }
}

#[test]
fn the_handler_may_end_its_half_and_read_on() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"half-close\n").expect("sent");
    assert_eq!(client.answer().expect("the stream's end"), "bye");
    client.send(b"late words").expect("sent");
    client.half_close().expect("half closed");
    let _ = server.printed(&["after the end: Err(\"broken-pipe\"), then 10 bytes came"]);
}

#[test]
fn the_order_of_dropping_closes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for server in [serve(), on_unix(&folder)] {
        assert_eq!(server.ask("drop-first\n"), "still here");
    }
}

#[test]
fn each_file_is_given_once_and_reading_nothing_gives_nothing() {
    let again = "(Some(\"invalid-state\"), Some(\"invalid-state\"))";
    assert_eq!(
        serve().ask("faces\n"),
        format!("(true, true) {again} Ok(0)")
    );
}

#[test]
fn after_a_time_out_recv_works_and_rfile_is_closed() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"timeout 50\n").expect("sent");
    let told = "Err(\"invalid-argument\") Err(\"timed-out\")";
    assert_eq!(client.exactly(told.len()).expect("an answer"), told);
    assert_eq!(client.ask(b"late").expect("an answer"), "late");
    assert_eq!(server.ask("rfile-timeout 50\n"), "timed-out, Closed");
}

#[test]
fn the_operators_read_timeout_is_the_handlers() {
    let server = Serve::new(guest("misbehave"))
        .args(["--read-timeout", "100ms"])
        .start();
    let mut client = server.connect();
    client.send(b"greet\n").expect("sent");
    assert_eq!(client.answer().expect("the stream's end"), "hello");
    let _ = server.said(&["outcome=\"handler-error\"", "timed-out"]);
}

#[test]
fn no_delay_is_for_tcp_only() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(serve().ask("no-delay\n"), "Ok(())");
    assert_eq!(on_unix(&folder).ask("no-delay\n"), "Err(\"not-supported\")");
}

#[test]
fn a_huge_recv_is_cut_to_what_one_call_gives() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"huge-recv\n").expect("sent");
    assert_eq!(client.exactly(5).expect("an answer"), "ready");
    assert_eq!(client.ask(b"some").expect("an answer"), "4");
}

#[test]
fn the_client_is_told_as_it_is() {
    let server = serve();
    let mut client = server.connect();
    let local = client.local_address();
    assert_eq!(
        client.ask(b"client\n").expect("an answer"),
        format!("ipv4 {local}")
    );
    let folder = tempfile::tempdir().expect("a folder");
    let me = format!("unix unnamed pid Some({}) uid ", std::process::id());
    let answer = on_unix(&folder).ask("client\n");
    assert!(answer.starts_with(&me), "{answer}");
}

#[test]
fn nobody_listens_after_the_end() {
    let server = serve();
    let address = server.address();
    server.stop().assert(0, &[]);
    let refused = tests::Client::try_connect(&address)
        .err()
        .map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::ConnectionRefused));
}

#[test]
fn what_was_written_before_an_error_arrives() {
    let server = serve();
    let mut client = server.connect();
    client.send(b"fill-then-fail\n").expect("sent");
    // Only when the handler has failed does the client begin to read.
    let line = server.printed(&["wrote "]);
    let written = line
        .rsplit(' ')
        .next()
        .and_then(|word| word.trim().parse().ok());
    let bytes = client.bytes().expect("the stream's end");
    assert_eq!(Some(bytes.len()), written, "{server}");
    let _ = server.said(&["outcome=\"handler-error\"", "written, then failed"]);
}
