//! What an operator grants, and what is refused beside it.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread;

use tempfile::TempDir;
use tests::{Ended, PATIENCE, Serve, Server, TRANSPORTS, guest};

fn serve() -> Serve {
    Serve::new(guest("misbehave")).args(["--log-level", "debug"])
}

/// A server with these grants.
fn granting<A: AsRef<std::ffi::OsStr>>(flags: impl IntoIterator<Item = A>) -> Server {
    serve().args(flags).start()
}

/// Flags that cannot be.
fn refused(flags: &[&str]) -> Ended {
    Serve::new("no-such.wasm").args(flags).run()
}

/// Somebody on 127.0.0.1 who says hello to whoever connects.
fn greeter() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming() {
            drop(client.expect("a client").write_all(b"hello"));
        }
    });
    address
}

/// Somebody on 127.0.0.1 who answers packets.
fn answerer() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound");
    thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            drop(socket.send_to(b"answer", client));
        }
    });
    address
}

/// A folder with a file in it, and one beside it that nobody granted.
fn folders() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("granted")).expect("made");
    fs::write(folder.path().join("granted/file"), "content").expect("written");
    fs::write(folder.path().join("secret"), "secret").expect("written");
    folder
}

/// `--dir` or `--dir-rw`, for the handler's `/data`.
fn directory(flag: &str, folder: &TempDir) -> [String; 2] {
    let path = folder.path().join("granted");
    [flag.to_owned(), format!("{}::/data", path.display())]
}

#[track_caller]
fn assert_no(answer: &str, why: &str) {
    assert!(
        answer.starts_with("NO: ") && answer.contains(why),
        "{answer}"
    );
}

#[test]
fn variables_that_are_granted_are_there_and_no_others() {
    let server = serve()
        .args(["--env", "GIVEN=a=b", "--env", "TAKEN", "--env", "EMPTY="])
        .env("TAKEN", "from the server")
        .env("SECRET", "42")
        .start();
    assert_eq!(server.ask("variable GIVEN\n"), "a=b");
    assert_eq!(server.ask("variable TAKEN\n"), "from the server");
    assert_eq!(server.ask("variable EMPTY\n"), "");
    assert_no(&server.ask("variable SECRET\n"), "not found");
    let told = server.ask("environment\n");
    let all = r#"variables [("GIVEN", "a=b"), ("TAKEN", "from the server"), ("EMPTY", "")] "#;
    assert!(told.starts_with(all), "{told}");
}

#[test]
fn variables_that_make_no_sense_are_refused() {
    refused(&["--env", "=x"]).assert(2, &["--env", "write NAME=VALUE, or NAME"]);
    refused(&["--env", "A=1", "--env", "A=2"]).assert(2, &["--env A is given twice"]);
    Serve::new("no-such.wasm")
        .args(["--env", "NOT_THERE"])
        .env_remove("NOT_THERE")
        .run()
        .assert(2, &["NOT_THERE is not set here: write NOT_THERE=VALUE"]);
}

#[test]
fn a_directory_is_read_over_every_transport() {
    let folder = folders();
    for transport in TRANSPORTS {
        let socket = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, socket.path());
        let server = server.args(directory("--dir", &folder)).start();
        assert_eq!(server.ask("read /data/file\n"), "content");
        assert_eq!(server.ask("list /data\n"), "file");
    }
}

#[test]
fn a_directory_is_found_under_its_own_path_unless_another_is_given() {
    let folder = folders();
    let path = folder.path().join("granted").display().to_string();
    let server = granting(["--dir", &path]);
    assert_eq!(server.ask(format!("read {path}/file\n")), "content");
    assert_no(&server.ask(format!("read {path}/../secret\n")), "");
    assert_no(&server.ask("read /data/file\n"), "No such file");
}

#[test]
fn nothing_in_a_read_only_directory_can_be_changed() {
    let folder = folders();
    let server = granting(directory("--dir", &folder));
    for attempt in [
        "write /data/file x",
        "write /data/new x",
        "append /data/file x",
        "remove /data/file",
        "make-folder /data/folder",
        "rename /data/file /data/other",
        "hard-link /data/file /data/other",
    ] {
        assert_no(&server.ask(format!("{attempt}\n")), "not permitted");
    }
    assert_eq!(server.ask("read /data/file\n"), "content");
    assert_eq!(server.ask("list /data\n"), "file");
}

#[test]
fn a_directory_that_is_granted_for_writing_can_be_written_to() {
    let folder = folders();
    let server = granting(directory("--dir-rw", &folder));
    assert_eq!(server.ask("write /data/new text\n"), "written");
    assert_eq!(server.ask("append /data/new  more\n"), "appended");
    assert_eq!(server.ask("rename /data/new /data/newer\n"), "renamed");
    assert_eq!(server.ask("remove /data/file\n"), "removed");
    assert_eq!(server.ask("list /data\n"), "newer");
    let newer = folder.path().join("granted/newer");
    assert_eq!(fs::read_to_string(newer).expect("a file"), "text more");
}

#[test]
fn nothing_leads_out_of_a_directory() {
    let folder = folders();
    let inside = folder.path().join("granted");
    symlink("../secret", inside.join("relative")).expect("a link");
    symlink(folder.path().join("secret"), inside.join("absolute")).expect("a link");
    symlink("..", inside.join("up")).expect("a link");
    symlink("file", inside.join("within")).expect("a link");
    for flag in ["--dir", "--dir-rw"] {
        let server = granting(directory(flag, &folder));
        assert_eq!(server.ask("read /data/within\n"), "content");
        for path in [
            "/data/relative",
            "/data/absolute",
            "/data/up/secret",
            "/data/../secret",
            "/data/../../../../../../etc/hostname",
            "/etc/hostname",
            "/proc/self/environ",
            "/",
        ] {
            assert_no(&server.ask(format!("read {path}\n")), "");
            assert_no(&server.ask(format!("write {path} x\n")), "");
        }
    }
    let secret = fs::read_to_string(folder.path().join("secret"));
    assert_eq!(secret.expect("it is there"), "secret");
}

#[test]
fn the_directory_that_was_there_at_the_start_is_the_one_that_is_granted() {
    let folder = folders();
    let server = granting(directory("--dir", &folder));
    let (granted, moved) = (folder.path().join("granted"), folder.path().join("moved"));
    fs::rename(&granted, moved).expect("moved");
    fs::create_dir(&granted).expect("made");
    fs::write(granted.join("file"), "somebody else's").expect("written");
    assert_eq!(server.ask("read /data/file\n"), "content");
}

#[test]
fn a_directory_that_cannot_be_opened_is_refused_at_the_start() {
    let folder = folders();
    let file = folder.path().join("secret").display().to_string();
    let start = |path: &str| Serve::new(guest("misbehave")).args(["--dir", path]).run();
    start("/no/such::/data").assert_one_line(1, &["dir /no/such", "No such file"]);
    start(&file).assert_one_line(1, &[&file, "Not a directory"]);
}

#[test]
fn directories_that_make_no_sense_are_refused() {
    refused(&["--dir", "/a::/x", "--dir-rw", "/b::/x"])
        .assert(2, &["--dir /b: the handler's path /x is given twice"]);
    refused(&["--dir", "::/x"]).assert(2, &["--dir", "write the directory's path"]);
    refused(&["--dir-rw", ""]).assert(2, &["--dir-rw"]);
}

#[test]
fn a_connection_goes_where_it_is_granted_over_every_transport() {
    let target = greeter();
    for transport in TRANSPORTS {
        let socket = tempfile::tempdir().expect("a folder");
        let server = serve().on(transport, socket.path());
        let server = server
            .args(["--connect", &format!("tcp://{target}")])
            .start();
        assert_eq!(server.ask(format!("connect {target}\n")), "hello");
    }
}

#[test]
fn a_connection_goes_nowhere_else() {
    let (target, other) = (greeter(), greeter());
    let port = target.port();
    for (pattern, goes) in [
        ("tcp://127.0.0.1:*".to_owned(), true),
        (format!("tcp://127.0.0.0/8:{port}"), true),
        (format!("tcp://0.0.0.0/0:{}-{port}", port - 1), true),
        (format!("tcp://[::ffff:127.0.0.1]:{port}"), true),
        (format!("tcp://127.0.0.2:{port}"), false),
        (format!("tcp://127.0.0.1:{}", other.port()), false),
        (format!("tcp://10.0.0.0/8:{port}"), false),
        (format!("tcp://[::1]:{port}"), false),
        (format!("udp://127.0.0.1:{port}"), false),
        (format!("tcp://localhost:{port}"), false),
    ] {
        let server = granting(["--connect", &pattern]);
        let answer = server.ask(format!("connect {target}\n"));
        if goes {
            assert_eq!(answer, "hello", "{pattern}");
        } else {
            assert_no(&answer, "Permission denied");
            let what = match pattern.starts_with("udp") {
                true => "make a tcp socket".to_owned(),
                false => format!("connect tcp {target}"),
            };
            let _ = server.said(&["the handler was denied", &what]);
        }
    }
}

/// Whoever rules a name's answers shall not rule whom a handler can reach in the server's own network.
#[test]
fn a_name_that_leads_to_this_machine_is_looked_up_and_not_connected_to() {
    let target = greeter();
    let port = target.port();
    let ask = format!("look-up-and-connect localhost {target}\n");
    let by_name = format!("tcp://localhost:{port}");
    let server = granting(["--connect", &by_name]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    assert_no(&server.ask(&ask), "Permission denied");
    assert_no(
        &server.ask(format!("connect localhost:{port}\n")),
        "Permission denied",
    );
    let _ = server.said(&["denied: connect tcp 127.0.0.1:"]);

    let by_address = format!("tcp://127.0.0.0/8:{port}");
    let server = granting(["--connect", &by_name, "--connect", &by_address]);
    assert_eq!(server.ask(&ask), "hello");
}

#[test]
fn an_address_of_ipv4_in_the_clothes_of_ipv6_goes_nowhere() {
    let port = greeter().port();
    let server = granting(["--connect", &format!("tcp://localhost:{port}")]);
    assert_no(
        &server.ask(format!("connect [::ffff:127.0.0.1]:{port}\n")),
        "",
    );
    assert_no(&server.ask(format!("connect [::127.0.0.1]:{port}\n")), "");
}

#[test]
fn names_are_looked_up_if_they_are_granted() {
    let server = granting(["--lookup", "LOCALHOST", "--lookup", "*.example.invalid"]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    // It may be asked for, and has no address.
    assert_no(&server.ask("look-up www.example.invalid\n"), "");
    assert_no(&server.ask("look-up example.invalid\n"), "");
    let _ = server.said(&["denied: look up example.invalid"]);
    assert_no(&server.ask("look-up localhost.evil.invalid\n"), "");
    let _ = server.said(&["denied: look up localhost.evil.invalid"]);
    assert!(
        !server.stderr().contains("denied: look up www."),
        "{server}"
    );
    // To look up is not to connect.
    let target = greeter();
    assert_no(
        &server.ask(format!("connect {target}\n")),
        "Permission denied",
    );
}

#[test]
fn packets_go_where_they_are_granted_and_nowhere_else() {
    let (target, other) = (answerer(), answerer());
    let server = granting(["--connect", &format!("udp://{target}")]);
    assert_eq!(server.ask(format!("ask {target}\n")), "answer");
    assert_eq!(
        server.ask(format!("ask-from 127.0.0.1:0 {target}\n")),
        "answer"
    );
    assert_no(&server.ask(format!("ask {other}\n")), "Permission denied");
    let _ = server.said(&[&format!("denied: send udp {other}")]);
}

#[test]
fn nobody_listens_whatever_is_granted() {
    let server = granting([
        "--connect",
        "tcp://0.0.0.0/0:*",
        "--connect",
        "udp://0.0.0.0/0:*",
    ]);
    for address in ["127.0.0.1:0", "0.0.0.0:0", "0.0.0.0:8080"] {
        assert_no(
            &server.ask(format!("listen {address}\n")),
            "Permission denied",
        );
    }
    for address in ["0.0.0.0:5353", "127.0.0.1:5353"] {
        let ask = format!("ask-from {address} 127.0.0.1:9\n");
        assert_no(&server.ask(ask), "Permission denied");
    }
}

#[test]
fn what_was_answered_in_one_request_is_forgotten_in_the_next() {
    let target = greeter();
    let server = granting(["--lookup", "localhost"]);
    assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
    assert_no(
        &server.ask(format!("connect {target}\n")),
        "Permission denied",
    );
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    for (flag, value, says) in [
        ("--connect", "example.com:80", "write tcp://HOST:PORT"),
        ("--connect", "tcp://example.com", "it has no port"),
        ("--connect", "tcp://10.1.2.3/8:80", "write 10.0.0.0/8"),
        ("--connect", "tcp://[::1:80", "IPv6 in brackets"),
        ("--lookup", "*", "write a host name"),
        ("--lookup", "10.0.0.1", "write a host name"),
        ("--send-to", "example.com:514", "a name will not do"),
        ("--send-to", "10.0.0.0/8", "it has no port"),
    ] {
        refused(&[flag, value]).assert(2, &[flag, says]);
    }
}

/// Somebody who waits for packets.
fn receiver() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

#[test]
fn a_packet_is_sent_to_somebody_else_if_that_is_granted() {
    let (socket, address) = receiver();
    let pattern = format!("127.0.0.0/8:{}", address.port());
    let flags = ["--proto", "udp", "--access-log", "all"];
    let server = serve().args(flags).args(["--send-to", &pattern]).start();
    assert_eq!(server.ask(format!("send-to {address} forwarded")), "sent");
    let mut buffer = [0; 100];
    let (count, from) = socket.recv_from(&mut buffer).expect("a packet");
    assert_eq!(&buffer[..count], b"forwarded");
    assert_eq!(from.port(), server.address().port());
    let _ = server.said(&["outcome=\"ok\"", "bytes_out=13"]);
    assert_eq!(server.ask("send-to [::1]:9 x"), "access-denied");
}

#[test]
fn a_packet_is_sent_to_nobody_else_if_that_is_not_granted() {
    let (socket, address) = receiver();
    socket.set_nonblocking(true).expect("set");
    let other_port = format!("127.0.0.1:{}", answerer().port());
    for flags in [
        &[][..],
        &["--send-to", &other_port],
        &["--connect", "udp://127.0.0.1:*"],
    ] {
        let server = serve().args(["--proto", "udp"]).args(flags).start();
        assert_eq!(server.ask(format!("send-to {address} x")), "access-denied");
        let _ = server.said(&[&format!("denied: send to {address}")]);
        assert_eq!(server.ask("send-to-client to the client"), "to the client");
    }
    assert!(socket.recv(&mut [0]).is_err(), "a packet came");
}

#[test]
fn a_packet_of_ipv6_is_not_for_a_socket_of_ipv4() {
    let flags = ["--proto", "udp", "--send-to", "[::/0]:*"];
    let server = serve().args(flags).start();
    assert_eq!(server.ask("send-to [::1]:9 x"), "not-supported");
}

#[test]
fn a_handler_on_a_unix_socket_sends_to_its_client_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve().on("unixgram", folder.path());
    let server = server.args(["--send-to", "0.0.0.0/0:*"]).start();
    assert_eq!(server.ask("send-to-client back"), "back");
    let somebody = Path::new("/run/systemd/journal/socket")
        .display()
        .to_string();
    assert_eq!(
        server.ask(format!("send-to-path {somebody}")),
        "access-denied"
    );
    assert_eq!(server.ask("send-to 127.0.0.1:9 x"), "not-supported");
}
