//! Directories: what is in one, what leads out of it, and which one it is.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tests::{Serve, TRANSPORTS, guest, refused};

use super::{assert_no, granting, serve};

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
fn a_link_that_a_handler_makes_leads_nowhere_else() {
    let folder = folders();
    let server = granting(directory("--dir-rw", &folder));
    assert_eq!(server.ask("soft-link file /data/within\n"), "linked");
    assert_eq!(server.ask("read /data/within\n"), "content");
    assert_eq!(server.ask("soft-link ../secret /data/out\n"), "linked");
    assert_no(&server.ask("read /data/out\n"), "not permitted");
    assert_no(&server.ask("write /data/out x\n"), "not permitted");
    let absolute = format!("{}/secret", folder.path().display());
    assert_no(
        &server.ask(format!("soft-link {absolute} /data/absolute\n")),
        "not permitted",
    );
    assert_no(&server.ask("rename /data/file /data/../file\n"), "");
    assert_no(&server.ask("hard-link /data/../secret /data/secret\n"), "");
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
