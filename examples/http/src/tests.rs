use guest_sdk::testing::{ServedStream, StreamClient, stream};

use super::Http;
use super::body::LARGEST;

/// Serves one connection and returns its responses, each as its first line and its body.
fn served(input: impl AsRef<[u8]>) -> Vec<(String, String)> {
    responses(&stream::<Http>([input]))
}

fn responses(served: &ServedStream) -> Vec<(String, String)> {
    assert!(served.result.is_ok());
    let mut rest = String::from_utf8(served.sent.clone()).unwrap();
    let mut responses = Vec::new();
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let status = head
            .lines()
            .next()
            .unwrap()
            .strip_prefix("HTTP/1.1 ")
            .unwrap()
            .to_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let (body, after) = after.split_at(length.map_or(0, |length| length.parse().unwrap()));
        responses.push((status, body.to_owned()));
        rest = after.to_owned();
    }
    assert!(rest.is_empty(), "bytes after the last response: {rest:?}");
    responses
}

fn statuses(input: impl AsRef<[u8]>) -> Vec<String> {
    served(input)
        .into_iter()
        .map(|(status, _)| status)
        .collect()
}

/// A request with a host, these further headers and this body.
fn request(line: &str, headers: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}")
}

#[test]
fn the_page_is_at_the_root() {
    for target in ["/", "/?a=b", "http://x/", "http://x"] {
        let answers = served(request(&format!("GET {target}"), "", ""));
        let (status, body) = &answers[0];
        assert_eq!(status, "200 OK", "{target}");
        assert!(body.contains("It works"));
    }
}

#[test]
fn head_tells_the_length_and_sends_nothing() {
    let sent = stream::<Http>([request("HEAD /", "Connection: close\r\n", "")]).sent;
    let sent = String::from_utf8(sent).unwrap();
    let length = include_str!("page.html").len();
    assert!(sent.contains(&format!("Content-Length: {length}\r\n")));
    assert!(sent.ends_with("Connection: close\r\n\r\n"));
}

#[test]
fn a_post_is_echoed_by_length_or_in_chunks() {
    let echo = [("200 OK".to_owned(), "hello".to_owned())];
    assert_eq!(
        served(request("POST /echo", "Content-Length: 5\r\n", "hello")),
        echo
    );
    let chunks = "2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(
        served(request(
            "POST /echo",
            "Transfer-Encoding: Chunked\r\n",
            chunks
        )),
        echo
    );
}

#[test]
fn a_connection_carries_one_request_after_the_other() {
    let post = request("POST /echo", "Content-Length: 2\r\n", "hi");
    let chunked = request(
        "POST /",
        "Transfer-Encoding: chunked\r\n",
        "1\r\nx\r\n0\r\n\r\n",
    );
    let missing = request("GET /missing", "", "");
    let last = request("GET /", "Connection: Close\r\n", "");
    let ignored = request("GET /", "", "");
    let answers = statuses(format!("{post}{chunked}\r\n{missing}{last}{ignored}"));
    assert_eq!(answers, ["200 OK", "200 OK", "404 Not Found", "200 OK"]);
}

#[test]
fn a_request_comes_in_any_pieces_and_its_answer_in_one() {
    let whole = request("POST /echo", "Content-Length: 5\r\n", "hello");
    let bytes = whole.as_bytes().chunks(1);
    let served = stream::<Http>(bytes);
    assert_eq!(
        responses(&served),
        [("200 OK".to_owned(), "hello".to_owned())]
    );
    assert_eq!(served.writes.len(), 1);
}

#[test]
fn an_old_client_has_one_request() {
    let old = "GET / HTTP/1.0\r\n\r\n";
    assert_eq!(statuses(format!("{old}{old}")), ["200 OK"]);
}

#[test]
fn other_methods_are_told_what_is_allowed() {
    let served = stream::<Http>([request("DELETE /", "", "")]);
    assert_eq!(responses(&served)[0].0, "405 Method Not Allowed");
    assert!(
        String::from_utf8(served.sent)
            .unwrap()
            .contains("Allow: GET, HEAD, POST\r\n")
    );
    assert_eq!(
        statuses(request("GET /echo", "", "")),
        ["405 Method Not Allowed"]
    );
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let expects = "Expect: 100-continue\r\nContent-Length: 2\r\n";
    let client = StreamClient::new()
        .sends(request("POST /echo", expects, ""))
        .sends("hi");
    let served = client.serve::<Http>();
    assert_eq!(served.writes[0], b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(
        responses(&served)[1],
        ("200 OK".to_owned(), "hi".to_owned())
    );
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let expects = format!(
        "Expect: 100-continue\r\nContent-Length: {}\r\n",
        LARGEST + 1
    );
    assert_eq!(
        statuses(request("POST /echo", &expects, "")),
        ["413 Content Too Large"]
    );
    let endless = "Content-Length: 99999999999999999999999\r\n";
    assert_eq!(
        statuses(request("POST /echo", endless, "")),
        ["413 Content Too Large"]
    );
    let chunked = "Transfer-Encoding: chunked\r\n";
    for length in ["100001", "fffffffffffffff"] {
        let body = format!("1\r\nx\r\n{length}\r\n");
        assert_eq!(
            statuses(request("POST /echo", chunked, &body)),
            ["413 Content Too Large"]
        );
    }
    let long = format!("X: {}\r\n", "x".repeat(9000));
    let answer = statuses(request("GET /", &long, ""));
    assert_eq!(answer, ["431 Request Header Fields Too Large"]);
    let many = "X: x\r\n".repeat(100);
    assert_eq!(
        statuses(request("GET /", &many, "")),
        ["431 Request Header Fields Too Large"]
    );
}

#[test]
fn what_is_not_http_is_refused() {
    let bodies = [
        (
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "0\r\n\r\n",
        ),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", "x"),
        ("Content-Length: +1\r\n", "x"),
        ("Content-Length: \r\n", ""),
        ("Content-Length: 5\r\n", "hell"),
        ("Transfer-Encoding: gzip\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "x\r\n"),
        ("Transfer-Encoding: chunked\r\n", "1\r\nxx\r\n"),
        (
            "Transfer-Encoding: chunked\r\n",
            "1\r\nx\r\n0\r\nTrailer: x\r\n",
        ),
        ("Host: y\r\n", ""),
        ("No colon\r\n", ""),
    ];
    for (headers, body) in bodies {
        let answer = statuses(request("POST /echo", headers, body));
        assert_eq!(answer, ["400 Bad Request"], "{headers}{body}");
    }
    for head in [
        "hello\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET /",
    ] {
        assert_eq!(statuses(head), ["400 Bad Request"], "{head}");
    }
}

#[test]
fn a_quiet_client_is_let_go_and_an_interrupted_one_is_told() {
    let quiet = StreamClient::new()
        .sends(request("GET /", "", ""))
        .is_quiet();
    assert_eq!(responses(&quiet.serve::<Http>()).len(), 1);
    let interrupted = StreamClient::new().sends("GET / HT").is_quiet();
    assert_eq!(
        responses(&interrupted.serve::<Http>())[0].0,
        "408 Request Timeout"
    );
    assert!(served("").is_empty());
}
