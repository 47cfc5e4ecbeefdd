//! Flags that make no sense, and the help.

use super::bench;

#[test]
fn flags_that_make_no_sense_say_so() {
    for (address, flags, says) in [
        ("127.0.0.1:9", &[][..], "begin with the transport"),
        ("tcp://127.0.0.1", &[], "write HOST:PORT"),
        (
            "tcp://127.0.0.1:9",
            &["-c", "0"],
            "invalid value '0' for '--connections",
        ),
        (
            "tcp://127.0.0.1:9",
            &["-n", "5", "-d", "1s"],
            "cannot be used with",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--size", "1", "--payload", "x"],
            "cannot be used with",
        ),
        ("tcp://127.0.0.1:9", &["--duration", "10"], "with its unit"),
        (
            "tcp://127.0.0.1:9",
            &["--duration", "0s"],
            "--duration is from 1ms to 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--timeout", "0s"],
            "--timeout is from 1ms to 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--warm-up", "9999days"],
            "--warm-up is at most 365days",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--threads", "513"],
            "513 is not in 1..=512",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--size", "2GiB"],
            "--size 2GiB: at most 1GiB",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--rate", "0"],
            "invalid value '0' for '--rate",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--requests-per-connection", "0"],
            "a number from 1, or unlimited",
        ),
        (
            "tcp://127.0.0.1:9",
            &["--half-close", "--requests-per-connection", "2"],
            "--half-close leaves no room",
        ),
        (
            "udp://127.0.0.1:9",
            &["--half-close"],
            "--half-close is for streams",
        ),
        (
            "unixgram:@x",
            &["--requests-per-connection", "1"],
            "unixgram has no connections",
        ),
        (
            "udp://127.0.0.1:9",
            &["--size", "64KiB"],
            "at most 65507 bytes",
        ),
    ] {
        let run = bench(address, flags);
        assert_eq!(run.code, Some(2), "{flags:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
        let errors = run.stderr.lines().filter(|line| line.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{}", run.stderr);
    }
    for (address, says) in [
        ("tcp://fd:3", "give the address that it prints"),
        ("tcp://127.0.0.1:0", "port 0"),
    ] {
        let run = bench(address, &[]);
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(says), "{says}: {}", run.stderr);
    }
}

#[test]
fn the_help_has_every_flag() {
    let run = bench("--help", &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for part in [
        "Examples:",
        "--connections",
        "--duration",
        "--requests",
        "--warm-up",
        "--rate",
        "coordinated omission",
        "--timeout",
        "--threads",
        "--json",
        "--payload",
        "--size",
        "--expect",
        "upper-stripped",
        "--requests-per-connection",
        "--half-close",
        "Exit codes: 0",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}
