//! What children print: it comes out of the server, marked as ever, and not without end.

use super::{serve, server};

#[test]
fn lines_come_out_of_the_servers_own_streams_and_say_whose_they_are() {
    let server = server(&[]);
    assert_eq!(server.ask("print to the one\n"), "printed");
    assert_eq!(server.printed(&["to the one"]), "to the one");
    assert_eq!(server.ask("print-error to the other\n"), "printed");
    let line = server.said(&["to the other"]);
    assert_eq!(line, "misbehave[2]: to the other");
    assert_eq!(server.ask("print-unended half a line\n"), "printed");
    assert_eq!(server.printed(&["half"]), "half a line");
}

#[test]
fn what_a_handler_prints_can_neither_command_a_terminal_nor_be_taken_for_the_log() {
    let server = server(&[]);
    assert_eq!(server.ask("print-escape here\n"), "printed");
    let line = server.printed(&["here"]);
    assert!(!line.contains(['\u{1b}', '\u{7}', '\r']), "{line:?}");
    assert_eq!(server.ask("print-error misbehave[7]: forged\n"), "printed");
    let line = server.said(&["forged"]);
    assert_eq!(line, "misbehave[2]: misbehave[7]: forged");
}

#[test]
fn a_handler_that_prints_without_end_is_ended() {
    for (limit, most, flags) in [
        ("max-output-lines", 1000, &[] as &[&str]),
        ("max-output", 500, &["--max-output", "32000"]),
    ] {
        let server = server(flags);
        assert_eq!(server.ask("print-lines 100000\n"), "");
        let line = server.end_of(1);
        assert!(line.contains("outcome=\"output\""), "{line}");
        assert!(line.contains(limit), "{line}");
        assert_eq!(server.ask("print next\n"), "printed");
        let ended = server.stop();
        assert_eq!(ended.stdout.lines().count(), most + 1, "{limit}");
        assert!(ended.stdout.ends_with("next\n"));
    }
}

/// What it had printed by then is not lost with its process.
#[test]
fn a_handler_that_panics_has_said_so() {
    let server = serve().args(["--proto", "udp"]).start();
    server.connect().send(b"panic for a reason").expect("sent");
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"trap\""), "{line}");
    let _ = server.said(&["misbehave[1]: ", "for a reason"]);
}
