//! The second wall, as an operator meets it: kernels that lack a part of it, and whoever wants none.

use std::collections::HashSet;
use std::fs;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use tests::{DATAGRAMS, Ended, Process, Server, until};

use super::{in_mid_request, only_child, serve, server};

/// `landlock_create_ruleset`, the same on all architectures.
const LANDLOCK_CREATE_RULESET: i64 = 444;
/// No such system call, on all architectures that Linux is on here.
const ENOSYS: u32 = 38;

/// What `start` does on a kernel without landlock. A filter binds a thread and what it starts.
fn without_landlock<T: Send + 'static>(start: impl FnOnce() -> T + Send + 'static) -> T {
    let on_such_a_kernel = move || {
        let rules = [(LANDLOCK_CREATE_RULESET, Vec::new())].into();
        let this = TargetArch::try_from(std::env::consts::ARCH).expect("a known one");
        let unknown = SeccompAction::Errno(ENOSYS);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, this);
        let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
        apply_filter(&program).expect("it is set");
        start()
    };
    let thread = std::thread::spawn(on_such_a_kernel);
    thread.join().expect("no panic")
}

/// A line of `/proc/PID/status`.
fn status(process: Process, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.expect("a line").trim().to_owned()
}

/// The filters of the zygote and of a child, and whether they may gain privileges.
fn filters(server: &Server) -> [(String, String); 2] {
    let _running = in_mid_request(server);
    [server.zygote(), only_child(server)].map(|process| {
        (
            status(process, "Seccomp_filters:"),
            status(process, "NoNewPrivs:"),
        )
    })
}

fn text(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn it_stands_unless_somebody_wants_none() {
    let outside = status(
        Process::of(std::process::id()).expect("it runs"),
        "Seccomp_filters:",
    );
    let outside: u32 = outside.parse().expect("a number");
    let more = |filters: u32| (outside + filters).to_string();
    for flags in [
        &[][..],
        &["--confine", "strict"],
        &["--confine", "best-effort"],
    ] {
        let server = server(flags);
        let walls = [text(&more(1), "1"), text(&more(2), "1")];
        assert_eq!(filters(&server), walls, "{flags:?}");
        assert!(!server.stderr().contains(" WARN "), "{server}");
        server.assert_well();
    }
    let off = server(&["--confine", "off"]);
    let privileges = status(off.process(), "NoNewPrivs:");
    let none = text(&more(0), &privileges);
    assert_eq!(filters(&off), [none.clone(), none]);
    off.assert_well();
}

/// The sockets that a process has, by their numbers: each end of a pair has its own.
fn sockets(process: Process) -> HashSet<String> {
    let folder = fs::read_dir(format!("/proc/{}/fd", process.pid())).expect("it runs");
    let targets = folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let targets = targets.map(|target| target.display().to_string());
    targets
        .filter(|target| target.starts_with("socket:"))
        .collect()
}

#[track_caller]
fn assert_shares_no_socket(child: Process, others: &[Process]) {
    for other in others {
        let (its, theirs) = (sockets(child), sockets(*other));
        assert!(
            !its.is_empty() && its.is_disjoint(&theirs),
            "{its:?} {theirs:?}"
        );
    }
}

/// Not the listening one, not the one that the server talks to its zygote by, and nobody else's connection.
#[test]
fn a_child_has_no_socket_that_anybody_else_has() {
    let server = server(&[]);
    let _first = in_mid_request(&server);
    let first = only_child(&server);
    let _second = in_mid_request(&server);
    let both = server.zygote().children();
    let second = both.into_iter().find(|child| *child != first);
    let second = second.expect("a second child");
    assert_shares_no_socket(first, &[server.process(), server.zygote(), second]);
    assert_shares_no_socket(second, &[server.process(), server.zygote(), first]);
}

#[test]
fn so_it_is_with_one_that_serves_a_packet() {
    for transport in DATAGRAMS {
        let folder = tempfile::tempdir().expect("a folder");
        let serve = serve().on(transport, folder.path());
        let server = serve.args(["--wall-limit", "none"]).start();
        let mut client = server.connect();
        client.send(b"sleep 3600000").expect("sent");
        until("it has its channel only", || {
            let children = server.zygote().children();
            // Until it closes what its zygote has.
            children
                .iter()
                .any(|child| sockets(*child).is_disjoint(&sockets(server.zygote())))
        });
        assert_shares_no_socket(only_child(&server), &[server.process(), server.zygote()]);
    }
}

#[test]
fn a_kernel_that_lacks_a_part_is_refused_if_that_was_asked_for() {
    let ended: Ended = without_landlock(|| serve().args(["--confine", "strict"]).run());
    ended.assert_one_line(
        1,
        &[
            "no landlock (Linux 5.13",
            "or --confine best-effort to do without",
        ],
    );
}

#[test]
fn or_told_of_and_the_rest_stands() {
    for flags in [&[][..], &["--confine", "best-effort"]] {
        let server = without_landlock(move || serve().args(flags).start());
        let line = server.said(&["no landlock (Linux 5.13"]);
        assert!(line.contains(" WARN "), "{line}");
        let [zygote, child] = filters(&server).map(|(filters, _)| filters.parse::<u32>());
        let (zygote, child) = (zygote.expect("a number"), child.expect("a number"));
        assert_eq!(child, zygote + 1, "the filters stand");
        server.assert_well();
    }
}

#[test]
fn or_nothing_is_said_where_nothing_was_wanted() {
    let server = without_landlock(|| serve().args(["--confine", "off"]).start());
    server.assert_well();
    assert!(!server.stderr().contains("landlock"), "{server}");
}

/// The zygote has not what is only the server's to know, and what it forks has no more.
#[test]
fn the_environment_of_the_server_is_its_own() {
    let server = serve().env("SECRET_TOKEN", "hunter2").start();
    let _running = in_mid_request(&server);
    let environment = fs::read(format!("/proc/{}/environ", server.zygote().pid()));
    let environment = String::from_utf8_lossy(&environment.expect("it runs")).into_owned();
    assert!(!environment.contains("hunter2"), "{environment}");
}

/// Each of them, and what it is for.
#[test]
fn a_child_has_its_own_descriptors_only() {
    let server = server(&[]);
    let _running = in_mid_request(&server);
    let mut found: Vec<String> = only_child(&server)
        .descriptors()
        .into_iter()
        .map(|(_, what)| what)
        .collect();
    found.sort_unstable();
    let expected = [
        // Standard input, output and error.
        "/dev/null",
        "/dev/null",
        "/dev/null",
        // The handler's code.
        "/memfd:handler (deleted)",
        // How its async runtime waits, and is woken.
        "anon_inode:[eventfd]",
        "anon_inode:[eventpoll]",
        "anon_inode:[eventpoll]",
        // The client's connection.
        "tcp socket",
        // The channel to the server.
        "unix seqpacket socket",
        // How its async runtime hears of signals: a pair, one end of it twice.
        "unix stream socket",
        "unix stream socket",
        "unix stream socket",
    ];
    assert_eq!(found, expected);
}
