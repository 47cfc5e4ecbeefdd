//! What lies outside the wall, to be reached or not: sockets and a folder of the test's own process.

use std::fs;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{self, UnixListener};
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use tempfile::TempDir;

/// Where it is: what a process inside is told.
pub(super) struct Outside {
    pub(super) tcp: SocketAddr,
    pub(super) other_tcp: SocketAddr,
    pub(super) udp: SocketAddr,
    pub(super) folder: PathBuf,
    pub(super) server: Pid,
    _held: Option<Held>,
}

/// What is there as long as this is.
struct Held {
    _folder: TempDir,
    _tcp: [TcpListener; 2],
    _udp: UdpSocket,
    _unix: [UnixListener; 2],
}

impl Outside {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().to_owned();
        for name in ["read", "write"] {
            fs::create_dir(path.join(name)).expect("a folder");
            fs::write(path.join(name).join("file"), "there").expect("a file");
        }
        fs::write(path.join("file"), "beside").expect("a file");
        let tcp = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let unix = UnixListener::bind(path.join("socket")).expect("a socket");
        let hidden = UnixListener::bind_addr(&abstract_name(&path)).expect("a name");
        Self {
            tcp: tcp[0].local_addr().expect("its address"),
            other_tcp: tcp[1].local_addr().expect("its address"),
            udp: udp.local_addr().expect("its address"),
            folder: path,
            server: Pid::this(),
            _held: Some(Held {
                _folder: folder,
                _tcp: tcp,
                _udp: udp,
                _unix: [unix, hidden],
            }),
        }
    }

    pub(super) fn as_arguments(&self) -> [String; 5] {
        [
            self.tcp.to_string(),
            self.other_tcp.to_string(),
            self.udp.to_string(),
            self.folder.display().to_string(),
            self.server.to_string(),
        ]
    }

    pub(super) fn from_arguments(arguments: &[String]) -> Self {
        let [tcp, other_tcp, udp, folder, server] = arguments else {
            panic!("{arguments:?}");
        };
        Self {
            tcp: tcp.parse().expect("an address"),
            other_tcp: other_tcp.parse().expect("an address"),
            udp: udp.parse().expect("an address"),
            folder: folder.into(),
            server: Pid::from_raw(server.parse().expect("a number")),
            _held: None,
        }
    }

    pub(super) fn abstract_name(&self) -> net::SocketAddr {
        abstract_name(&self.folder)
    }
}

fn abstract_name(folder: &Path) -> net::SocketAddr {
    net::SocketAddr::from_abstract_name(folder.as_os_str().as_encoded_bytes()).expect("a name")
}
