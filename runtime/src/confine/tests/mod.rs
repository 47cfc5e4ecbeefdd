//! The wall from the inside. What is tried there runs in a process of its own, which is confined as a zygote, and in a
//! child of it: this same program, started anew with the name of one ignored test and what it is to try.

mod attempts;
mod gates;
mod outside;
mod raw;

use std::fmt;
use std::process::{Command, Stdio};
use std::str::FromStr;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};

use super::{ConfineError, Layers, Needs, Wall};
use crate::address::Transport;
use crate::config::{Confine, Limits};
use crate::grants::Grants;
use outside::Outside;

/// The name of the ignored test below.
const INSIDE: &str = "confine::tests::inside";

/// How a child ended that tried something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It could do it.
    Did,
    /// The kernel said no, with this error.
    Refused(nix::errno::Errno),
    /// It was killed.
    Killed(Signal),
}

/// Runs an attempt in a child of a zygote that is confined by `layers`.
fn tried(attempt: &str, layers: &str, outside: &Outside) -> End {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "--test-threads=1",
            INSIDE,
        ])
        .args([layers, attempt])
        .args(outside.as_arguments())
        .stdin(Stdio::null())
        .output()
        .expect("this program runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let end = told.lines().find_map(|line| line.strip_prefix("end: "));
    let end = end.unwrap_or_else(|| panic!("{attempt} behind {layers}: {output:?}"));
    end.parse().expect("an end")
}

#[test]
#[ignore = "the other tests run it in a process of its own"]
fn inside() {
    let arguments: Vec<_> = std::env::args()
        .skip_while(|argument| argument != INSIDE)
        .collect();
    if let [_, layers, attempt, outside @ ..] = arguments.as_slice() {
        let outside = Outside::from_arguments(outside);
        let end = gates::try_inside(attempt, layers_named(layers), &outside);
        println!("\nend: {end}");
        // What libtest does at its end is not what a zygote does.
        std::process::exit(0);
    }
}

fn layers_named(name: &str) -> Layers {
    match name {
        "all" => Layers::ALL,
        "none" => Layers::NONE,
        "limits" => Layers {
            limits: true,
            ..Layers::NONE
        },
        "domain" => Layers {
            domain: true,
            ..Layers::NONE
        },
        "filter" => Layers {
            filter: true,
            ..Layers::NONE
        },
        other => panic!("no layers {other}"),
    }
}

/// Asserts what becomes of each attempt behind `layers`.
fn expect(layers: &str, ends: &[(&str, End)]) {
    let outside = Outside::new();
    for (attempt, end) in ends {
        assert_eq!(
            tried(attempt, layers, &outside),
            *end,
            "{attempt} behind {layers}"
        );
    }
}

const EACCES: End = End::Refused(nix::errno::Errno::EACCES);
const EPERM: End = End::Refused(nix::errno::Errno::EPERM);
const ENOMEM: End = End::Refused(nix::errno::Errno::ENOMEM);
const EMFILE: End = End::Refused(nix::errno::Errno::EMFILE);
const SIGSYS: End = End::Killed(Signal::SIGSYS);

/// What somebody would try who got out of the sandbox, and could do without a wall. Whether they could trace the server
/// depends on the machine: that is tried beside these.
const ATTEMPTS: [&str; 22] = [
    "open-a-file",
    "look-at-a-file",
    "connect-tcp",
    "listen-tcp",
    "send-udp",
    "connect-unix",
    "connect-abstract",
    "make-a-pair-of-packets",
    "fork",
    "start-a-thread",
    "run-a-program",
    "become-a-program",
    "make-code",
    "turn-data-into-code",
    "signal-the-server",
    "signal-the-zygote",
    "receive-a-descriptor",
    "raise-a-limit",
    "make-a-file-of-memory",
    "share-memory",
    "take-memory",
    "take-descriptors",
];

#[test]
fn without_a_wall_everything_can_be_done() {
    expect("none", &ATTEMPTS.map(|attempt| (attempt, End::Did)));
}

#[test]
fn the_filter_alone_kills_whoever_calls_what_serving_does_not_take() {
    let all = ATTEMPTS
        .iter()
        .filter(|attempt| !attempt.starts_with("take-"));
    let all: Vec<_> = all
        .chain(&["trace-the-server"])
        .map(|attempt| (*attempt, SIGSYS))
        .collect();
    expect("filter", &all);
}

#[test]
fn the_domain_alone_refuses_files_tcp_abstract_names_signals_and_tracing() {
    expect(
        "domain",
        &[
            ("open-a-file", EACCES),
            ("connect-tcp", EACCES),
            ("listen-tcp", EACCES),
            ("connect-abstract", EPERM),
            ("run-a-program", EACCES),
            ("become-a-program", EACCES),
            ("signal-the-server", EPERM),
            ("trace-the-server", EPERM),
        ],
    );
}

#[test]
fn where_landlock_has_no_word_the_filter_is_the_wall() {
    let wordless = [
        "look-at-a-file",
        "send-udp",
        "connect-unix",
        "fork",
        "start-a-thread",
        "make-code",
        "share-memory",
    ];
    expect("domain", &wordless.map(|attempt| (attempt, End::Did)));
}

#[test]
fn limits_alone_end_what_takes_too_much() {
    expect(
        "limits",
        &[
            ("take-memory", ENOMEM),
            ("take-descriptors", EMFILE),
            ("take-time", End::Killed(Signal::SIGXCPU)),
        ],
    );
}

#[test]
fn behind_all_of_it_nothing_can_be_done() {
    let outside = Outside::new();
    for attempt in ATTEMPTS.iter().chain(&["trace-the-server"]) {
        let end = tried(attempt, "all", &outside);
        assert_ne!(end, End::Did, "{attempt}");
    }
}

#[test]
fn what_serving_takes_can_be_done_behind_all_of_it() {
    expect(
        "all",
        &[
            ("serve-a-stream", End::Did),
            ("answer-over-a-channel", End::Did),
            ("use-the-memory-that-is-its-due", End::Did),
            ("abort", End::Killed(Signal::SIGABRT)),
            ("be-killed-by-the-zygote", End::Killed(Signal::SIGKILL)),
        ],
    );
}

#[test]
fn whoever_is_confined_has_no_privileges_to_come_and_leaves_no_core() {
    expect("none", &[("have-no-privileges", End::Did)]);
}

#[test]
fn granted_directories_can_be_reached_and_no_others() {
    expect(
        "all",
        &[
            ("read-in-a-directory", End::Did),
            ("write-in-a-directory-to-read", EACCES),
            ("write-in-a-directory-to-write", End::Did),
            ("open-beside-a-directory", EACCES),
            ("make-a-pipe-in-a-directory", SIGSYS),
            ("connect-tcp-with-directories", SIGSYS),
        ],
    );
}

#[test]
fn granted_sockets_can_be_made_and_no_others() {
    expect(
        "all",
        &[
            ("connect-tcp-to-a-granted-port", End::Did),
            ("connect-tcp-to-another-port", EACCES),
            ("connect-tcp-where-all-ports-are-granted", End::Did),
            ("bind-a-port", EACCES),
            ("listen-where-tcp-is-granted", SIGSYS),
            ("send-udp-where-tcp-is-granted", SIGSYS),
            ("send-udp-where-it-is-granted", End::Did),
            ("connect-unix-where-tcp-is-granted", SIGSYS),
        ],
    );
}

/// What a wall says on a kernel that answers ENOSYS to `call`. A filter binds a thread, and ends with it.
fn without(call: i64, confine: Confine) -> Result<Vec<String>, ConfineError> {
    let on_such_a_kernel = move || {
        let unknown = SeccompAction::Errno(nix::libc::ENOSYS.cast_unsigned());
        let this = TargetArch::try_from(std::env::consts::ARCH).expect("a known one");
        let rules = [(call, Vec::new())].into();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, this);
        let program: seccompiler::BpfProgram =
            filter.expect("a filter").try_into().expect("a program");
        apply_filter(&program).expect("it is set");
        let wall = Wall::new(
            confine,
            &nothing_granted(&Limits::default(), &Grants::default()),
        )?;
        Ok(wall.missing().to_vec())
    };
    std::thread::spawn(on_such_a_kernel)
        .join()
        .expect("no panic")
}

fn nothing_granted<'a>(limits: &'a Limits, grants: &'a Grants) -> Needs<'a> {
    Needs {
        transport: Transport::Tcp,
        limits,
        grants,
        directories: &[],
    }
}

#[test]
fn this_kernel_has_all_of_it() {
    let (limits, grants) = (Limits::default(), Grants::default());
    let wall = Wall::new(Confine::Strict, &nothing_granted(&limits, &grants)).expect("a wall");
    assert_eq!(wall.missing(), [""; 0]);
}

#[test]
fn a_kernel_without_landlock_is_told_or_refused() {
    let call = nix::libc::SYS_landlock_create_ruleset;
    let missing = without(call, Confine::BestEffort).expect("best effort");
    assert_eq!(missing.len(), 1);
    assert!(
        missing[0].starts_with("no landlock (Linux 5.13"),
        "{missing:?}"
    );
    let complaint = without(call, Confine::Strict)
        .expect_err("strict")
        .to_string();
    assert!(complaint.contains("no landlock (Linux 5.13"), "{complaint}");
    assert!(
        complaint.ends_with("--confine best-effort to do without"),
        "{complaint}"
    );
    assert_eq!(without(call, Confine::Off).expect("off"), [""; 0]);
}

#[test]
fn a_kernel_without_seccomp_is_told_or_refused() {
    let call = nix::libc::SYS_seccomp;
    let missing = without(call, Confine::BestEffort).expect("best effort");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].starts_with("no seccomp filters"), "{missing:?}");
    let complaint = without(call, Confine::Strict)
        .expect_err("strict")
        .to_string();
    assert!(complaint.contains("no seccomp filters"), "{complaint}");
}

impl From<WaitStatus> for End {
    fn from(status: WaitStatus) -> Self {
        match status {
            WaitStatus::Exited(_, 0) => Self::Did,
            WaitStatus::Exited(_, code) => Self::Refused(nix::errno::Errno::from_raw(code)),
            WaitStatus::Signaled(_, signal, _) => Self::Killed(signal),
            other => panic!("{other:?} is no end"),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did => f.write_str("did"),
            Self::Refused(error) => write!(f, "{}", *error as i32),
            Self::Killed(signal) => f.write_str(signal.as_str()),
        }
    }
}

impl FromStr for End {
    type Err = nix::errno::Errno;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(error) => Self::Refused(nix::errno::Errno::from_raw(error)),
            Err(_) if text == "did" => Self::Did,
            Err(_) => Self::Killed(text.parse()?),
        })
    }
}
