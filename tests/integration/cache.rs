//! Compiled code on disk: found by the second start, private, and never trusted when it is damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tests::{Serve, Server, guest};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn start(cache: &Path) -> Server {
    let server = Serve::new(guest("bare")).cache(cache).start();
    assert_eq!(server.ask("cached"), "CACHED");
    server
}

fn compiled(server: &Server) -> bool {
    let line = server.said(&["bare"]);
    assert!(line.contains("compiled"), "{line}");
    !line.contains("found compiled code")
}

/// The only file in the cache.
fn only_file(cache: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(cache).expect("a folder").collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].as_ref().expect("an entry").path()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn a_second_start_does_not_compile() {
    let folder = folder();
    let cache = folder.path().join("deep/cache");
    assert!(compiled(&start(&cache)));
    assert!(!compiled(&start(&cache)));
    assert_eq!(mode(&cache), 0o700);
    assert_eq!(mode(&only_file(&cache)), 0o600);
}

#[test]
fn a_flipped_bit_is_noticed_and_the_code_compiled_again() {
    let folder = folder();
    let cache = folder.path().join("cache");
    assert!(compiled(&start(&cache)));
    let file = only_file(&cache);
    let good = fs::read(&file).expect("compiled code");
    for place in [0, 31, 32, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[place] ^= 1;
        fs::write(&file, bad).expect("written");
        let server = start(&cache);
        assert!(compiled(&server), "bit {place} was not noticed");
        let _ = server.said(&["damaged", "compiling again"]);
        drop(server);
        assert!(!compiled(&start(&cache)), "it was not kept again");
    }
}

#[test]
fn a_cut_off_file_is_noticed() {
    let folder = folder();
    let cache = folder.path().join("cache");
    assert!(compiled(&start(&cache)));
    let file = only_file(&cache);
    let good = fs::read(&file).expect("compiled code");
    for length in [0, 10, 32, good.len() - 1] {
        fs::write(&file, &good[..length]).expect("written");
        assert!(compiled(&start(&cache)), "{length} bytes were enough");
    }
}

#[test]
fn each_handler_has_its_own() {
    let folder = folder();
    let cache = folder.path().join("cache");
    assert!(compiled(&start(&cache)));
    let other = Serve::new(guest("misbehave")).cache(&cache).start();
    let _ = other.said(&["INFO compiled misbehave"]);
    assert_eq!(fs::read_dir(&cache).expect("a folder").count(), 2);
}

#[test]
fn none_is_none() {
    assert!(compiled(&start(Path::new("none"))));
    assert!(compiled(&start(Path::new("none"))));
    assert!(!Path::new("none").exists());
}

#[test]
fn a_place_that_cannot_be_used_is_one_line_and_no_error() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("a file");
    for cache in [file.join("cache"), PathBuf::from("/proc/cache")] {
        let server = start(&cache);
        assert!(compiled(&server));
        let _ = server.said(&["not kept", &cache.display().to_string()]);
    }
}

#[test]
fn a_place_that_others_may_write_to_is_not_used() {
    let folder = folder();
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).expect("a folder");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("set");
    let server = start(&cache);
    let _ = server.said(&["not kept", "other users may write"]);
    assert_eq!(fs::read_dir(&cache).expect("a folder").count(), 0);
}

#[test]
fn the_default_is_in_the_users_cache_folder() {
    let folder = folder();
    let start = |name: &str, value: &Path| {
        let mut arguments = Serve::new(guest("bare")).without_cache();
        arguments = arguments
            .env_remove("XDG_CACHE_HOME")
            .env_remove("HOME")
            .env(name, value);
        arguments.start()
    };
    let home = folder.path().join("home");
    assert!(compiled(&start("HOME", &home)));
    assert!(!compiled(&start("XDG_CACHE_HOME", &home.join(".cache"))));
    assert_eq!(mode(&home.join(".cache/runtime")), 0o700);
    let homeless = Serve::new(guest("bare")).without_cache();
    let homeless = homeless
        .env_remove("XDG_CACHE_HOME")
        .env_remove("HOME")
        .start();
    let _ = homeless.said(&["no home folder"]);
    assert_eq!(homeless.ask("served"), "SERVED");
}
