//! Whoever has got out of a sandbox: a child of the server is made to call the kernel, past all of its own code.

use std::ffi::CStr;
use std::net::{Ipv4Addr, TcpListener};

use nix::errno::Errno::EACCES;
use nix::libc::*;
use nix::sys::signal::Signal::SIGSYS;
use tests::Said::{Done, Killed, Refused};
use tests::{Said, Server, Taken};

use super::{in_mid_request, only_child, server};

/// Has the child of a new request call the kernel.
fn escaped<T>(server: &Server, call: impl FnOnce(&Taken) -> T) -> T {
    let _client = in_mid_request(server);
    call(&Taken::take(only_child(server)))
}

/// As the kernel reads an `int`.
fn int(number: c_int) -> u64 {
    i64::from(number).cast_unsigned()
}

fn open(taken: &Taken, path: &CStr) -> Said {
    let path = taken.text(path);
    taken.call(SYS_openat, [int(AT_FDCWD), path, int(O_RDONLY), 0, 0, 0])
}

fn socket(taken: &Taken, family: c_int, kind: c_int, protocol: c_int) -> Said {
    let [family, kind, protocol] = [family, kind, protocol].map(int);
    taken.call(SYS_socket, [family, kind, protocol, 0, 0, 0])
}

/// Connects a new TCP socket to a port of this machine.
fn connect(taken: &Taken, port: u16) -> Said {
    let Done(socket) = socket(taken, AF_INET, SOCK_STREAM, IPPROTO_TCP) else {
        panic!("no socket")
    };
    let mut address = [0; size_of::<sockaddr_in>()];
    address[..2].copy_from_slice(&(AF_INET as u16).to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&Ipv4Addr::LOCALHOST.octets());
    let (at, length) = (taken.bytes(&address), address.len() as u64);
    taken.call(SYS_connect, [socket.cast_unsigned(), at, length, 0, 0, 0])
}

/// The number of the zygote.
fn parent(taken: &Taken) -> u64 {
    let Done(parent) = taken.call(SYS_getppid, [0; 6]) else {
        panic!("it has no parent")
    };
    parent.cast_unsigned()
}

/// A page that may be written, and run.
fn code(taken: &Taken) -> Said {
    let protection = int(PROT_READ | PROT_WRITE | PROT_EXEC);
    let flags = int(MAP_PRIVATE | MAP_ANONYMOUS);
    taken.call(SYS_mmap, [0, 4096, protection, flags, u64::MAX, 0])
}

/// A way to get at something, with nothing granted.
type Way = (&'static str, fn(&Taken) -> Said);

/// Those that would work in a process that nobody has confined.
const WAYS: &[Way] = &[
    ("open a file", |taken| open(taken, c"/etc/passwd")),
    ("make a socket", |taken| {
        socket(taken, AF_INET, SOCK_STREAM, 0)
    }),
    ("make a Unix socket", |taken| {
        socket(taken, AF_UNIX, SOCK_DGRAM, 0)
    }),
    ("bring code", code),
    ("make a file of memory", |taken| {
        let name = taken.text(c"");
        taken.call(SYS_memfd_create, [name, 0, 0, 0, 0, 0])
    }),
    ("find its group's processes", |taken| {
        taken.call(SYS_kill, [0; 6])
    }),
];

/// Those that nobody would have undone who tried them outside.
const MORE_WAYS: &[Way] = &[
    ("fork", |taken| {
        taken.call(SYS_clone, [int(SIGCHLD), 0, 0, 0, 0, 0])
    }),
    ("start a thread", |taken| {
        let thread = int(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND);
        taken.call(SYS_clone, [thread, 0, 0, 0, 0, 0])
    }),
    ("start a program", |taken| {
        let path = taken.text(c"/bin/true");
        taken.call(SYS_execve, [path, 0, 0, 0, 0, 0])
    }),
    ("trace its zygote", |taken| {
        let attach = u64::from(PTRACE_ATTACH);
        taken.call(SYS_ptrace, [attach, parent(taken), 0, 0, 0, 0])
    }),
    ("kill its zygote", |taken| {
        taken.call(SYS_kill, [parent(taken), int(SIGKILL), 0, 0, 0, 0])
    }),
    ("be sent a descriptor", |taken| {
        taken.call(SYS_recvmsg, [0; 6])
    }),
];

#[test]
fn every_way_out_is_the_end_of_the_process() {
    let server = server(&[]);
    for (id, (what, way)) in (1..).zip(WAYS.iter().chain(MORE_WAYS)) {
        assert_eq!(escaped(&server, way), Killed(SIGSYS), "{what}\n{server}");
        let line = server.end_of(id);
        assert!(line.contains("outcome=\"killed\""), "{what}: {line}");
        assert!(line.contains("SIGSYS"), "{what}: {line}");
    }
    server.assert_well();
}

/// So that it is the wall that stops them, and not how they were tried.
#[test]
fn without_the_wall_there_are_ways() {
    let server = server(&["--confine", "off"]);
    for (what, way) in WAYS {
        let said = escaped(&server, way);
        assert!(matches!(said, Done(_)), "{what}: {said:?}\n{server}");
    }
}

/// What a serving process does all the time is not in the wall's way.
#[test]
fn what_it_may_do_it_still_can() {
    let server = server(&[]);
    escaped(&server, |taken| {
        let pid = taken.call(SYS_getpid, [0; 6]);
        assert_eq!(pid, Done(only_child(&server).pid().into()));
    });
}

#[test]
fn a_granted_directory_opens_no_other_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "content").expect("written");
    let granted = format!("{}::/data", folder.path().display());
    let server = server(&["--dir", &granted]);
    let file = folder.path().join("file").into_os_string();
    let file = std::ffi::CString::new(file.into_encoded_bytes()).expect("no zero");
    escaped(&server, |taken| {
        assert!(matches!(open(taken, &file), Done(_)), "{server}");
        for other in [c"/etc/passwd", c"/proc/self/mem", c"/", c"/dev/null"] {
            assert_eq!(open(taken, other), Refused(EACCES), "{other:?}");
        }
        assert_eq!(socket(taken, AF_INET, SOCK_STREAM, 0), Killed(SIGSYS));
    });
}

#[test]
fn a_granted_connection_makes_no_other_one() {
    let [granted, other] = [(); 2].map(|()| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let port = listener.local_addr().expect("an address").port();
        (listener, port)
    });
    let server = server(&["--connect", &format!("tcp://127.0.0.1:{}", granted.1)]);
    escaped(&server, |taken| {
        assert_eq!(connect(taken, granted.1), Done(0));
        assert_eq!(connect(taken, other.1), Refused(EACCES));
        assert_eq!(socket(taken, AF_UNIX, SOCK_DGRAM, 0), Killed(SIGSYS));
    });
}
