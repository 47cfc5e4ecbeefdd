//! What is logged of requests, in which form; and what handlers print.

use serde_json::Value;
use tests::{Serve, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave"))
}

#[test]
fn by_default_only_requests_that_did_not_end_well_are_logged() {
    let server = serve().start();
    server.assert_well();
    assert_eq!(server.ask("error x\n"), "");
    let _ = server.said(&["outcome=\"handler-error\""]);
    let stderr = server.stop().stderr;
    assert_eq!(stderr.matches("outcome=").count(), 1, "{stderr}");
}

#[test]
fn all_of_them_if_asked_for() {
    let server = serve().args(["--access-log", "all"]).start();
    assert_eq!(server.ask("upper four\n"), "FOUR");
    let line = server.said(&["outcome=\"ok\""]);
    for part in [
        "transport=tcp",
        "client=127.0.0.1:",
        "bytes_in=11",
        "bytes_out=4",
        "id=1",
        "duration",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    assert!(!line.contains("fault"), "{line}");
}

#[test]
fn none_of_them_if_asked_for() {
    let server = serve().args(["--access-log", "none"]).start();
    assert_eq!(server.ask("error x\n"), "");
    server.assert_well();
    assert!(!server.stop().stderr.contains("outcome"));
}

#[test]
fn a_level_leaves_out_what_is_below_it_but_not_where_the_server_listens_and_what_was_counted() {
    let server = serve()
        .args(["--log-level", "error", "--access-log", "all"])
        .start();
    assert_eq!(server.ask("error x\n"), "");
    let ended = server.stop();
    ended.assert(0, &["listening on", "1 requests: 1 handler-error"]);
    assert_eq!(ended.stderr.lines().count(), 2, "{ended}");
}

#[test]
fn one_json_object_a_line() {
    let server = serve()
        .args(["--log-format", "json", "--access-log", "all"])
        .start();
    server.assert_well();
    assert_eq!(server.ask("error say \"no\"\\n\n"), "");
    let _ = server.said(&["handler-error"]);
    let ended = server.stop();
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |outcome: &str| {
        let line = lines.iter().find(|line| line["outcome"] == outcome);
        line.unwrap_or_else(|| panic!("no {outcome}: {ended}"))
    };
    let well = of("ok");
    assert_eq!(well["transport"], "tcp");
    assert_eq!(well["id"], 1);
    assert_eq!(well["bytes_out"], 4);
    assert!(
        well["client"]
            .as_str()
            .is_some_and(|client| client.starts_with("127.0.0.1:"))
    );
    assert!(well.get("fault").is_none());
    let failed = of("handler-error");
    assert_eq!(failed["fault"], "handler");
    assert_eq!(failed["detail"], "say \"no\"\\n");
    assert!(lines.iter().any(|line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("listening on"))
    }));
}

#[test]
fn an_errors_text_cannot_forge_a_line_or_command_a_terminal() {
    let server = serve().args(["--proto", "udp"]).start();
    let mut client = server.connect();
    client
        .send(b"error \x1b[2J\rINFO listening on tcp://1.2.3.4:5")
        .expect("sent");
    let line = server.said(&["outcome=\"handler-error\""]);
    assert!(!line.contains('\u{1b}') && !line.contains('\r'), "{line:?}");
}

#[test]
fn what_a_handler_prints_goes_to_the_servers_streams() {
    let server = serve().start();
    assert_eq!(server.ask("print to the operator\n"), "printed");
    assert_eq!(server.ask("print-error also to the operator\n"), "printed");
    assert_eq!(server.ask("print-unended half a line\n"), "printed");
    let ended = server.stop();
    assert_eq!(ended.stdout, "to the operator\nhalf a line\n");
    assert!(
        ended
            .stderr
            .lines()
            .any(|line| line == "misbehave[2]: also to the operator"),
        "{ended}"
    );
}

/// The log goes there, too, and whoever reads it must know who speaks.
#[test]
fn what_a_handler_prints_cannot_be_taken_for_the_log() {
    for format in ["human", "json"] {
        let server = serve().args(["--log-format", format]).start();
        let forged = r#"{"level":"WARN","client":"10.0.0.1:22","outcome":"trap"}"#;
        assert_eq!(server.ask(format!("print-error {forged}\n")), "printed");
        let ended = server.stop();
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(
            lines.contains(&format!("misbehave[1]: {forged}").as_str()),
            "{ended}"
        );
    }
}

#[test]
fn what_a_handler_prints_cannot_command_a_terminal() {
    let server = serve().start();
    assert_eq!(server.ask("print-escape é\n"), "printed");
    assert_eq!(server.stop().stdout, "\\u{1b}[31mred\\u{7} é\\rover\n");
}

#[test]
fn a_handler_that_prints_too_much_is_ended() {
    for (limit, most, flags) in [
        ("max-output-lines", 1000, &[] as &[&str]),
        ("max-output", 500, &["--max-output", "32000"]),
        (
            "max-output-lines",
            7,
            &["--max-output-lines", "7", "--max-output", "none"],
        ),
    ] {
        let server = serve().args(flags).start();
        assert_eq!(server.ask("print-lines 100000\n"), "");
        let _ = server.said(&["outcome=\"output\"", "fault=handler", limit]);
        // The limit is one request's: the next one may print again.
        assert_eq!(server.ask("print next\n"), "printed");
        let ended = server.stop();
        assert_eq!(ended.stdout.lines().count(), most + 1, "{limit}");
        assert!(ended.stdout.ends_with("next\n"));
    }
}

#[test]
fn a_line_for_each_of_its_clients_is_no_offence() {
    let server = serve().args(["--max-output-lines", "5"]).start();
    let mut client = server.connect();
    client.send(b"print-each\n").expect("sent");
    for _ in 0..50 {
        client.send(b"word").expect("sent");
        assert_eq!(client.exactly(4).expect("an answer"), "word", "{server}");
    }
    client.half_close().expect("half closed");
    assert_eq!(client.answer().expect("the stream's end"), "");
    assert_eq!(server.stop().stdout.lines().count(), 50);
}

#[test]
fn a_very_long_line_is_broken() {
    let server = serve().args(["--proto", "udp"]).start();
    assert_eq!(server.ask(format!("print {}", "x".repeat(8000))), "printed");
    let ended = server.stop();
    let longest = ended.stdout.lines().map(str::len).max();
    assert_eq!(longest, Some(4096), "{ended}");
    assert_eq!(ended.stdout.matches('x').count(), 8000);
}
