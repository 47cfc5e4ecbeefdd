//! What a handler reaches by Rust's standard library when it is written with the SDK, whose heap is its own: it must get
//! along with the C library's.

use std::fs;

use tests::{SCHEDULES, Serve, answerer, greeter, guest};

/// Everything in one request after the other, and some of it often: a heap that is spoilt shows late.
#[test]
fn a_handler_of_the_sdk_uses_what_it_was_granted() {
    let folder = tempfile::tempdir().expect("a folder");
    let long = "content ".repeat(10_000);
    fs::write(folder.path().join("a"), &long).expect("written");
    fs::write(folder.path().join("b"), "short").expect("written");
    let granted = format!("{}::/data", folder.path().display());
    let (greeter, answerer) = (greeter(), answerer());
    for schedule in SCHEDULES {
        let server = Serve::new(guest("system"))
            .args(["--schedule", schedule, "--env", "NAME=value"])
            .args(["--dir-rw", &granted, "--lookup", "localhost"])
            .args(["--connect", &format!("tcp://{greeter}")])
            .args(["--connect", &format!("udp://{answerer}")])
            .start();
        assert_eq!(server.ask("variable NAME\n"), "value");
        assert_eq!(server.ask("read /data/a\n"), long);
        assert_eq!(server.ask("write /data/c\n"), "written");
        assert_eq!(server.ask("list /data\n"), "a+b+c");
        assert!(server.ask("look-up localhost\n").contains("127.0.0.1"));
        assert_eq!(server.ask(format!("connect {greeter}\n")), "hello");
        assert_eq!(server.ask(format!("ask {answerer}\n")), "answer");
        let refused = server.ask("read /etc/passwd\n");
        assert!(refused.starts_with("NO: "), "{refused}");
        server.stop().assert(0, &["8 requests: 8 ok"]);
        fs::remove_file(folder.path().join("c")).expect("removed");
    }
}
