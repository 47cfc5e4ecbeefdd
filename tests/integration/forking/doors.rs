//! Embedding programs: which program becomes the zygote.

use std::path::PathBuf;
use std::process::Command;

use runtime::{BindError, Schedule, Server, ServerConfig};
use tests::{Ended, command_output, embedded, example, guest, late};

use super::library::{bind_error, config};

/// The example `embedded` calls `runtime::zygote()`, and is its own zygote.
#[test]
fn a_program_that_begins_with_zygote_is_one() {
    for schedule in ["forking", "threaded", "sync"] {
        let mut program = Command::new(embedded());
        let said = command_output(program.arg(example("upper")).arg(schedule));
        let mut lines: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(lines.pop(), Some("Closed: Drained"), "{said}");
        lines.sort_unstable();
        let answers = [1, 2, 3].map(|number| format!("Received: HELLO WORLD {number}"));
        assert_eq!(lines, answers);
    }
}

#[test]
fn a_program_that_has_threads_already_is_told_so() {
    let mut program = Command::new(late());
    let output = program.arg(guest("misbehave")).output();
    let ended = Ended::from(output.expect("it starts"));
    ended.assert(1, &["the zygote has threads", "not below #[tokio::main]"]);
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

#[tokio::test]
async fn a_program_that_does_neither_is_told_what_to_do() {
    let error = bind_error(ServerConfig {
        zygote: None,
        ..config()
    });
    assert!(
        error.contains("call runtime::zygote() first in its main"),
        "{error}"
    );
    assert!(error.contains("ServerConfig::zygote"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_no_zygote_is_told_of() {
    for (program, says) in [
        (
            "/no/such/runtime",
            "cannot start a zygote from /no/such/runtime",
        ),
        ("/bin/true", "is its program a runtime of this version?"),
    ] {
        let error = bind_error(ServerConfig {
            zygote: Some(PathBuf::from(program)),
            ..config()
        });
        assert!(error.contains(says), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// Whatever else is asked of it: names are looked up by files and sockets that no child has.
#[tokio::test]
async fn what_does_not_fit_is_refused_by_the_library_too() {
    let mut config = config();
    config.limits.max_total_memory = Some(1 << 30);
    let error = bind_error(config);
    assert!(error.contains("max-total-memory"), "{error}");
}

#[tokio::test]
async fn without_forking_a_zygote_is_nobodys_business() {
    let config = ServerConfig {
        schedule: Schedule::Sync,
        zygote: Some(PathBuf::from("/no/such/runtime")),
        ..config()
    };
    let address = "tcp://127.0.0.1:0".parse().expect("an address");
    let server: Result<Server, BindError> =
        Server::bind(&address, config, super::library::handler());
    assert_eq!(server.expect("a server").active_children(), [0_u32; 0]);
}

/// Started by hand, it says that nobody should.
#[test]
fn a_zygote_without_a_server_says_so() {
    use std::os::unix::process::CommandExt as _;
    let output = Command::new(tests::command())
        .arg0("runtime-zygote")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no other use for it"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
