//! A zygote and a child of it, behind a wall with the gates that an attempt is about.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socketpair};

use super::attempts::attempt_named;
use super::outside::Outside;
use super::{End, Layers, raw};
use crate::address::Transport;
use crate::config::{Confine, Limits};
use crate::confine::{Needs, Wall};
use crate::grants::{Access, Directory, Grants};

/// What a zygote and its children hold.
pub(super) struct Inside<'a> {
    pub(super) outside: &'a Outside,
    /// One to read, and one to write.
    pub(super) directories: [OwnedFd; 2],
    /// A client's connection, and its client's end.
    pub(super) stream: TcpStream,
    client: TcpStream,
    /// The channel to the server, and the server's end.
    pub(super) channel: OwnedFd,
    server: OwnedFd,
}

/// Tries something in a child of this process, which becomes a zygote behind a wall.
pub(super) fn try_inside(name: &str, layers: Layers, outside: &Outside) -> End {
    let inside = Inside::new(outside);
    let grants = grants_for(name, outside);
    let limits = Limits {
        cpu_limit: Some(Duration::from_millis(1)),
        ..Limits::default()
    };
    let needs = Needs {
        transport: Transport::Udp,
        limits: &limits,
        grants: &grants,
        directories: &inside.directories,
    };
    let wall = Wall::of(layers, Confine::BestEffort, &needs).expect("a wall");
    assert_eq!(wall.missing(), [""; 0], "these tests need all of it");
    let wall = wall.confine_zygote().expect("a confined zygote");

    inside.ask();
    let attempt = attempt_named(name);
    let child = raw::forked(|| {
        wall.confine().expect("a confined child");
        attempt(&inside)
    });
    let child = child.expect("a zygote forks");
    if name == "be-killed-by-the-zygote" {
        kill(child, Signal::SIGKILL).expect("a zygote kills its children");
    }
    let end = raw::ended(child).expect("a zygote waits for its children");
    inside.check_answer(name);
    end.into()
}

/// What the handler is granted that an attempt speaks of.
fn grants_for(name: &str, outside: &Outside) -> Grants {
    let directory = |name: &str, access| Directory {
        host_path: outside.folder.join(name),
        guest_path: name.to_owned(),
        access,
    };
    let mut grants = Grants::default();
    if name.contains("director") {
        grants.directories = vec![
            directory("read", Access::ReadOnly),
            directory("write", Access::ReadWrite),
        ];
    }
    let pattern = match name {
        "connect-tcp-where-all-ports-are-granted" => "tcp://127.0.0.1:*".to_owned(),
        "send-udp-where-it-is-granted" => format!("udp://{}", outside.udp),
        _ if name.ends_with("granted") || name.ends_with("port") => {
            format!("tcp://{}", outside.tcp)
        }
        _ => return grants,
    };
    grants.connect = vec![pattern.parse().expect("a pattern")];
    grants
}

impl<'a> Inside<'a> {
    fn new(outside: &'a Outside) -> Self {
        let open = |name| {
            File::open(outside.folder.join(name))
                .expect("a folder")
                .into()
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = listener
            .local_addr()
            .and_then(TcpStream::connect)
            .expect("a client");
        let (stream, _) = listener.accept().expect("a connection");
        let (channel, server) = socketpair(
            AddressFamily::Unix,
            SockType::SeqPacket,
            None,
            SockFlag::SOCK_CLOEXEC,
        )
        .expect("a channel");
        Self {
            outside,
            directories: ["read", "write"].map(open),
            stream,
            client,
            channel,
            server,
        }
    }

    /// Says what the child is to hear from its client, and from the server.
    fn ask(&self) {
        (&self.client).write_all(b"hello").expect("a client writes");
        self.client.shutdown(Shutdown::Write).expect("and ends");
        send(self.server.as_raw_fd(), b"hello", MsgFlags::empty()).expect("a server writes");
    }

    /// Reads what the child answered that served.
    fn check_answer(&self, name: &str) {
        let mut answer = [0; 5];
        match name {
            "serve-a-stream" => (&self.client).read_exact(&mut answer).expect("an answer"),
            "answer-over-a-channel" => {
                nix::unistd::read(&self.server, &mut answer).expect("an answer");
            }
            _ => return,
        }
        assert_eq!(&answer, b"HELLO");
    }
}
