//! The examples, asked by clients of the tutorials' kinds: who send and wait without a newline, and never
//! half-close.

use std::process::Command;

use tests::{Client, Serve, Server, command_output, example, tool};

fn serve(name: &str) -> Server {
    Serve::new(example(name)).start()
}

/// Two clients at once, who send, wait, and send again, without a newline, for as long as they like.
fn converse(server: &Server, answer: impl Fn(&str) -> String) {
    let mut clients = [server.connect(), server.connect()];
    for round in 0..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            let word = format!("word {number} {round}");
            client.send(word.as_bytes()).expect("sent");
            let answer = answer(&word);
            assert_eq!(client.exactly(answer.len()).expect("an answer"), answer);
        }
    }
}

#[test]
fn upper_strips_one_read_and_leaves_other_bytes_alone() {
    let server = serve("upper");
    assert_eq!(server.ask("hello world\n"), "HELLO WORLD");
    assert_eq!(server.ask(" \t Grüße\r\n"), "GRüßE");
    assert_eq!(server.ask("without a newline"), "WITHOUT A NEWLINE");
    let mut client = server.connect();
    client.send(b"\xff\x00z").expect("sent");
    assert_eq!(client.bytes().expect("an answer"), b"\xff\x00Z");
    let stopped = server.stop();
    assert_eq!(stopped.stdout, "");
}

#[test]
fn upper_reads_1024_bytes_at_most() {
    let server = serve("upper");
    assert_eq!(server.ask("x".repeat(1500)), "X".repeat(1024));
}

#[test]
fn upper_line_waits_for_the_line() {
    let server = serve("upper-line");
    let mut client = server.connect();
    client.send(b"hello ").expect("sent");
    client.send(b"world\n").expect("sent");
    assert_eq!(client.answer().expect("an answer"), "HELLO WORLD");
}

#[test]
fn upper_loop_goes_on_until_the_client_leaves_or_resets() {
    let server = serve("upper-loop");
    converse(&server, str::to_uppercase);
    let mut client = server.connect();
    client.send(b"  kept as it is \n").expect("sent");
    assert_eq!(client.exactly(17).expect("an answer"), "  KEPT AS IT IS \n");
    client.reset().expect("reset");
    let stopped = server.stop();
    assert_eq!(stopped.stdout, "");
    assert!(!stopped.stderr.contains("outcome"), "{stopped}");
}

#[test]
fn daytime_answers_one_line_with_its_ending() {
    let server = serve("daytime");
    for ending in ["\n", "\r\n"] {
        let answer = server.ask(format!("hello{ending}"));
        let (time, line) = answer.split_once("] ").expect("a time");
        assert_eq!(line, format!("hello{ending}"));
        assert_eq!(time.len(), "[Tue Apr 18 20:55:49 2006".len(), "{answer}");
    }
    let _ = server.printed(&["...connected from: 127.0.0.1:"]);
}

#[test]
fn robust_answers_every_read_and_survives_a_reset() {
    let server = serve("robust");
    converse(&server, |word| format!("服务器收到: {word}"));
    let mut client = server.connect();
    client.send(b"\xff\xfe").expect("sent");
    let told = "Invalid UTF-8 data received";
    assert_eq!(client.exactly(told.len()).expect("an answer"), told);
    client.reset().expect("reset");
    let _ = server.printed(&["127.0.0.1:", "reset"]);
    let _ = server.printed(&["127.0.0.1:", "came"]);
    let _ = server.printed(&["127.0.0.1:", "went"]);
    assert!(!server.stop().stderr.contains("outcome"));
}

#[test]
fn threaded_name_shows_that_requests_run_side_by_side() {
    let server = serve("threaded-name");
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for number in (0..3).rev() {
        clients[number].send(b"Hello World").expect("sent");
        let name = format!("Thread-{}: Hello World", number + 1);
        assert_eq!(clients[number].answer().expect("an answer"), name);
    }
}

#[test]
fn log_collector_prints_a_line_a_packet_and_answers_nothing() {
    for transport in ["udp", "unixgram"] {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = Serve::new(example("log-collector")).on(transport, folder.path());
        let server = serve.args(["--access-log", "all"]).start();
        let mut client = server.connect();
        client.send(b"<13>one\n").expect("sent");
        client.send(b"<13>two").expect("sent");
        let _ = server.printed(&["<13>one"]);
        let _ = server.printed(&["<13>two"]);
        let line = server.said(&["outcome=\"ok\"", "bytes_in=8"]);
        assert!(line.contains("bytes_out=0"), "{line}");
    }
}

/// Asks by curl, which must be there; returns the answer and the status.
fn curl(server: &Server, path: &str, arguments: &[&str]) -> Option<(String, String)> {
    let curl = tool("curl")?;
    let url = format!("http://127.0.0.1:{}{path}", server.address().port());
    let mut curl = Command::new(curl);
    curl.args(["-s", "-m", "30", "-w", "\n%{http_code}", &url])
        .args(arguments);
    let said = command_output(&mut curl);
    let (body, status) = said.rsplit_once('\n').expect("a status");
    Some((body.to_owned(), status.to_owned()))
}

#[test]
fn http_answers_curl() {
    let server = serve("http");
    let Some((page, status)) = curl(&server, "/", &[]) else {
        return;
    };
    assert_eq!(status, "200");
    assert!(
        page.contains("<html") || page.contains("<!doctype"),
        "{page}"
    );
    let big = "x".repeat(5000);
    for (path, arguments, status, body) in [
        ("/echo", &["-d", "hello"][..], "200", Some("hello")),
        (
            "/echo",
            &["-d", "hello", "-H", "Transfer-Encoding: chunked"],
            "200",
            Some("hello"),
        ),
        (
            "/echo",
            &["-d", &big, "-H", "Expect: 100-continue"],
            "200",
            Some(&big),
        ),
        ("/missing", &[], "404", None),
        ("/", &["-X", "DELETE"], "405", None),
        ("/", &["-I"], "200", None),
    ] {
        let (said, code) = curl(&server, path, arguments).expect("curl was there");
        assert_eq!(code, status, "{path} {arguments:?}: {said}");
        if let Some(body) = body {
            assert_eq!(said, body, "{path} {arguments:?}");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("big");
    std::fs::write(&file, vec![b'x'; 20 << 20]).expect("a file");
    let body = format!("@{}", file.display());
    let (_, status) = curl(&server, "/echo", &["--data-binary", &body]).expect("curl was there");
    assert_eq!(status, "413");
}

#[test]
fn http_keeps_a_connection_and_refuses_what_is_no_http() {
    let server = serve("http");
    let mut client = server.connect();
    for _ in 0..3 {
        client
            .send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            .expect("sent");
        let mut answer = String::new();
        while !answer.ends_with("hello") {
            let more = client.receive().expect("more");
            assert!(!more.is_empty(), "it closed: {answer}");
            answer += &String::from_utf8_lossy(&more);
        }
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let answer = server.ask("what is this\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
