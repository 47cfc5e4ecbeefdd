//! The programs under test, which are built with the tests and stand beside them.

use std::path::{Path, PathBuf};

/// The folder of this process's profile: `target/debug`, say.
pub(crate) fn target_profile() -> PathBuf {
    let this = std::env::current_exe().expect("the test's own path");
    let profile = this.parent().and_then(Path::parent);
    profile.expect("target/<profile>/deps").to_owned()
}

/// The binary under test, which stands beside this one.
#[must_use]
pub fn command() -> PathBuf {
    let binary = target_profile().join("runtime");
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo build` first, with the same profile (`cargo test --workspace` does)",
        binary.display()
    );
    binary
}

/// The example `embedded`, which is built with these tests.
#[must_use]
pub fn embedded() -> PathBuf {
    program("embedded")
}

/// A program that calls `runtime::zygote` too late, which is built with these tests.
#[must_use]
pub fn late() -> PathBuf {
    program("late")
}

/// A program that is built with these tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let binary = target_profile().join("examples").join(name);
    assert!(
        binary.is_file(),
        "{} is missing: run `cargo build -p tests --examples` first (`cargo test --workspace` does)",
        binary.display()
    );
    binary
}
