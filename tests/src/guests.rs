//! Handlers, built when a test asks for them: never by a build script, and each once in a process.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, Once, PoisonError};

const TARGET: &str = "wasm32-wasip2";

/// What would make cargo build elsewhere, or otherwise, than a user's own call does.
const CLEARED: [&str; 9] = [
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
];

/// Makes a command, which may call cargo, forget what would lead it astray.
pub fn cleared(command: &mut Command) -> &mut Command {
    for variable in CLEARED {
        command.env_remove(variable);
    }
    command
}

/// One of the tests' own guests: a crate in `tests/guests`.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    component(&root().join("tests/guests/Cargo.toml"), name)
}

/// One of the examples: a crate in `examples`.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    component(&root().join("Cargo.toml"), name)
}

/// The workspace's folder.
#[must_use]
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is in a folder").to_owned()
}

/// Where the servers under test keep compiled code, so that each guest is compiled once.
#[must_use]
pub fn cache_folder() -> PathBuf {
    target_folder().join("cache")
}

/// Guests have a target directory of their own, beside the one that this very process came from: cargo,
/// which may be waiting for this process, holds the lock of the other one.
#[must_use]
pub fn target_folder() -> PathBuf {
    crate::programs::target_profile()
        .parent()
        .expect("target/<profile> is in a folder")
        .join("guests")
}

/// The component of the package `name`.
fn component(manifest: &Path, name: &str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    // Held while building: who asks for the same one meanwhile waits here.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(path) = built.get(name) {
        return path.clone();
    }
    let target = target_folder();
    fs::create_dir_all(&target).expect("the guests' target folder");
    let lock = File::create(target.join(".tests-lock")).expect("the lock file");
    // Other test processes build in the same place; the lock ends with the file.
    lock.lock().expect("the lock");
    let path = build(manifest, name, &target);
    built.insert(name.to_owned(), path.clone());
    path
}

fn build(manifest: &Path, name: &str, target: &Path) -> PathBuf {
    add_target();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let output = cleared(&mut cargo)
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .args(["--package", name])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the guest {name} does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = format!("{}.wasm", name.replace('-', "_"));
    let path = target.join(TARGET).join("release").join(file);
    assert!(path.is_file(), "{} was not built", path.display());
    path
}

/// Adds the guests' target to the toolchain, if it is missing.
fn add_target() {
    static ADDED: Once = Once::new();
    ADDED.call_once(|| {
        let libraries = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", TARGET])
            .output()
            .expect("rustc runs");
        let libraries = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
        if Path::new(&libraries).is_dir() {
            return;
        }
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .status();
        assert!(
            added.is_ok_and(|status| status.success()),
            "add the guests' target: rustup target add {TARGET}"
        );
    });
}
