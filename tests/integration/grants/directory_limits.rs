//! Directories and limits: what a handler that wears a directory out takes of the server.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tests::{SCHEDULES, Server};

use super::{assert_no, serve};

/// A server that grants `folder` as `/data`.
fn granting(schedule: &str, flag: &str, folder: &TempDir) -> Server {
    let granted = format!("{}::/data", folder.path().display());
    let flags = ["--schedule", schedule, "--cpu-limit", "1s", flag, &granted];
    serve().args(flags).start()
}

#[test]
fn what_is_neither_a_file_nor_a_directory_is_not_opened_and_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a fifo");
    symlink("fifo", folder.path().join("link")).expect("a link");
    let _socket = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    fs::write(folder.path().join("file"), "content").expect("written");
    for schedule in SCHEDULES {
        let server = granting(schedule, "--dir-rw", &folder);
        for name in ["fifo", "link", "socket"] {
            assert_no(&server.ask(format!("read /data/{name}\n")), "Not supported");
            assert_no(
                &server.ask(format!("write /data/{name} x\n")),
                "Not supported",
            );
            assert_no(&server.ask(format!("touch {name}\n")), "unsupported");
        }
        assert_eq!(server.ask("touch file\n"), "touched");
        assert_eq!(server.ask("read /data/file\n"), "content");
        server.stop().assert(0, &["11 requests: 11 ok"]);
    }
}

/// All of them are half a megabyte each.
#[test]
fn listings_are_not_held_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..2000 {
        let file = folder.path().join(format!("{number:0>200}"));
        fs::write(file, "").expect("written");
    }
    for schedule in SCHEDULES {
        let server = granting(schedule, "--dir", &folder);
        server.assert_well();
        let before = server.peak_memory();
        assert_eq!(server.ask("hold-listings 900\n"), "900 listings");
        let taken = server.peak_memory() - before;
        assert!(taken < 64 << 20, "{schedule}: {taken} bytes");
    }
}

/// The kernel walks a long way for each look, on a thread that is not the guest's.
#[test]
fn what_the_host_computes_for_a_handler_counts_for_its_cpu_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("d")).expect("made");
    symlink("d/../".repeat(800), folder.path().join("long")).expect("a link");
    let way = "long/".repeat(39);
    for schedule in SCHEDULES {
        let server = granting(schedule, "--dir", &folder);
        assert_eq!(server.ask(format!("look 1 {way}\n")), "looked");
        assert_eq!(server.ask(format!("look 10000 {way}\n")), "");
        let _ = server.said(&["outcome=\"cpu\"", "fault=handler", "id=2"]);
        server.assert_well();
    }
}
