//! Programs that a test runs beside the server, if the machine has them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The path of a program. Where it is missing the test is to return at once: it passes, and says so; under
/// `CI=true`, where everything must be there, it fails.
///
/// `nc` is Debian's netcat-openbsd: only that one speaks `-U`.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file() && (name != "nc" || is_openbsd(program)));
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no {name}"
        );
        println!("skipped: no {name}");
    }
    found
}

fn is_openbsd(nc: &PathBuf) -> bool {
    let help = Command::new(nc).arg("-h").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stderr).contains("OpenBSD"))
}

/// Runs a program to its end.
///
/// # Panics
///
/// If it does not start.
#[must_use]
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that does not read to the end is none of our business.
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait_with_output().expect("it was not waited for yet")
}

/// Runs a program without input to its end, which must be a good one, and returns what it printed.
///
/// # Panics
///
/// If it fails.
#[must_use]
pub fn command_output(command: &mut Command) -> String {
    let output = run_with_input(command, b"");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}{err}",
        output.status
    );
    out
}
