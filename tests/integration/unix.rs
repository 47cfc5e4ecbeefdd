//! Unix sockets: their files, their modes, the abstract name space, and clients without a name.

use std::fs;
use std::io::{IoSlice, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use tempfile::TempDir;
use tests::{Address, PATIENCE, Serve, command_output, guest, tool};

const UNIX: [&str; 2] = ["unix", "unixgram"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn serve(transport: &str, folder: &Path) -> Serve {
    Serve::new(guest("misbehave")).on(transport, folder)
}

#[test]
fn the_address_is_printed_as_it_can_be_bound_again() {
    for transport in UNIX {
        let folder = folder();
        let socket = folder.path().join("socket");
        let server = serve(transport, folder.path()).start();
        let line = server.said(&["listening on"]);
        let printed = format!("{transport}://{}", socket.display());
        assert!(line.ends_with(&printed), "{line}");
        server.stop().assert(0, &[]);
        let again = Serve::new(guest("misbehave")).bind(printed).start();
        again.assert_well();
    }
}

#[test]
fn a_stale_socket_file_is_replaced() {
    for transport in UNIX {
        let folder = folder();
        let server = serve(transport, folder.path()).start();
        server.signal(Signal::KILL);
        assert_eq!(server.wait().code, None);
        let socket = folder.path().join("socket");
        assert!(socket.exists(), "a killed server leaves its file");
        let server = serve(transport, folder.path()).start();
        server.assert_well();
        server.stop().assert(0, &[]);
        assert!(!socket.exists());
    }
}

#[test]
fn a_live_socket_is_refused_and_left_alone() {
    for transport in UNIX {
        for other in UNIX {
            let folder = folder();
            let first = serve(transport, folder.path()).start();
            let ended = serve(other, folder.path()).run();
            ended.assert_one_line(1, &["cannot bind", "in use"]);
            first.assert_well();
        }
    }
}

/// A listener whose queue is full answers EAGAIN: somebody is there.
#[test]
fn a_busy_socket_is_refused_and_left_alone() {
    let folder = folder();
    let socket = folder.path().join("socket");
    let busy = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
    let busy = busy.expect("a socket");
    busy.bind(&socket2::SockAddr::unix(&socket).expect("a path"))
        .expect("bound");
    busy.listen(0).expect("listening");
    let _waiting = std::os::unix::net::UnixStream::connect(&socket).expect("connected");
    let ended = serve("unix", folder.path()).run();
    ended.assert_one_line(1, &["cannot bind", "in use"]);
    assert!(socket.exists());
}

#[test]
fn what_is_no_socket_is_not_replaced() {
    for transport in UNIX {
        let folder = folder();
        let socket = folder.path().join("socket");
        fs::write(&socket, "precious").expect("a file");
        serve(transport, folder.path())
            .run()
            .assert_one_line(1, &["cannot bind"]);
        assert_eq!(fs::read_to_string(&socket).expect("a file"), "precious");
    }
}

#[test]
fn somebody_elses_file_is_left_at_the_end() {
    let folder = folder();
    let server = serve("unix", folder.path()).start();
    let socket = folder.path().join("socket");
    fs::remove_file(&socket).expect("removed");
    let _theirs = UnixListener::bind(&socket).expect("bound");
    server.stop().assert(0, &[]);
    assert!(socket.exists(), "it belongs to another server now");
}

#[test]
fn the_mode_is_as_asked_for() {
    for transport in UNIX {
        for mode in [0o600, 0o666, 0o660] {
            let folder = folder();
            let text = format!("{mode:o}");
            let server = serve(transport, folder.path())
                .args(["--socket-mode", &text])
                .start();
            let metadata = fs::metadata(folder.path().join("socket")).expect("a file");
            assert!(metadata.file_type().is_socket());
            assert_eq!(metadata.permissions().mode() & 0o777, mode);
            server.assert_well();
        }
    }
}

#[test]
fn a_name_in_the_abstract_name_space() {
    for transport in UNIX {
        let name = format!("@tests-{transport}-{}", std::process::id());
        let serve = Serve::new(guest("misbehave"))
            .args(["--proto", transport])
            .bind(&name);
        let server = serve.start();
        assert!(
            server
                .said(&["listening on"])
                .ends_with(&format!("{transport}:{name}"))
        );
        server.assert_well();
        let about = server.ask("about\n");
        assert!(
            about.ends_with(&format!(" at unix abstract {}", &name[1..])),
            "{about}"
        );
    }
}

#[test]
fn a_packet_without_a_sender_cannot_be_answered_which_is_the_clients_fault() {
    let folder = folder();
    let server = serve("unixgram", folder.path()).start();
    let nameless = UnixDatagram::unbound().expect("a socket");
    nameless
        .send_to(b"reply to nobody", server.address().path())
        .expect("sent");
    let line = server.said(&["outcome=\"client-gone\"", "fault=client"]);
    assert!(line.contains("client=unix: (pid "), "{line}");
    server.assert_well();
}

#[test]
fn a_client_that_is_gone_cannot_be_answered_which_is_its_fault() {
    let folder = folder();
    let server = serve("unixgram", folder.path()).start();
    let gone = folder.path().join("gone");
    let client = UnixDatagram::bind(&gone).expect("bound");
    client
        .send_to(b"sleep 200", server.address().path())
        .expect("sent");
    drop(client);
    let _ = server.said(&["outcome=\"client-gone\"", "fault=client"]);
    server.assert_well();
}

#[test]
fn an_abstract_client_is_answered() {
    let folder = folder();
    let server = serve("unixgram", folder.path()).start();
    let name = format!("tests-client-{}", std::process::id());
    let client = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name"));
    let client = client.expect("bound");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    client
        .send_to(b"client", server.address().path())
        .expect("sent");
    let mut buffer = [0; 200];
    let count = client.recv(&mut buffer).expect("an answer");
    let told = String::from_utf8_lossy(&buffer[..count]);
    let me = format!("unix abstract {name} pid Some({}) uid ", std::process::id());
    assert!(told.starts_with(&me), "{told}");
}

#[test]
fn a_client_with_a_path_is_told_as_it_is() {
    let folder = folder();
    let server = serve("unixgram", folder.path()).start();
    let told = server.ask("client");
    let me = format!("/client pid Some({}) uid ", std::process::id());
    assert!(
        told.starts_with("unix path /") && told.contains(&me),
        "{told}"
    );
}

/// Binds a name of its own choice, and asks from there: Python's own `bind` refuses one as long as that.
const BIND_AND_ASK: &str = "
import ctypes, socket, struct, sys
client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = struct.pack('H', socket.AF_UNIX) + sys.argv[1].encode()
assert ctypes.CDLL(None).bind(client.fileno(), name, len(name)) == 0
client.sendto(b'client', sys.argv[2])
print(client.recv(1000).decode())
";

/// There is no room for the zero behind it, which the kernel counts all the same.
#[test]
fn a_client_whose_path_fills_its_room_is_told_as_it_is_and_answered() {
    let Some(python) = tool("python3") else {
        return;
    };
    let folder = folder();
    let server = serve("unixgram", folder.path()).start();
    let name = "c".repeat(108 - 1 - folder.path().as_os_str().len());
    let path = folder.path().join(name);
    let mut client = Command::new(python);
    client.args(["-c", BIND_AND_ASK]);
    let told = command_output(client.arg(&path).arg(server.address().path()));
    let me = format!("unix path {} pid Some(", path.display());
    assert!(told.starts_with(&me), "{told}");
    server.assert_well();
}

#[test]
fn a_long_queue_of_connections_is_taken() {
    let folder = folder();
    let server = serve("unix", folder.path())
        .args(["--schedule", "sync"])
        .start();
    let Address::Unix(_) = server.address() else {
        panic!("{server}")
    };
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"upper queued\n").expect("sent");
    }
    for client in &mut clients {
        assert_eq!(client.answer().expect("an answer"), "QUEUED");
    }
}

/// The kernel ends a read at each message that carries descriptors, however much follows.
#[test]
fn a_client_that_sends_descriptors_with_every_byte_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Serve::new(guest("misbehave"))
        .on("unix", folder.path())
        .start();
    let client = UnixStream::connect(server.address().path()).expect("connected");
    let descriptor = std::fs::File::open("/dev/null").expect("a descriptor");
    for byte in b"upper abc\n" {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let bytes = [IoSlice::new(std::slice::from_ref(byte))];
        sendmsg(&client, &bytes, &mut control, SendFlags::empty()).expect("sent");
    }
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut answer = String::new();
    (&client).read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "ABC");
}
