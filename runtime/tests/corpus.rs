//! The checks that fuzzing makes, made of the corpus that it begins with: what was found once stays found.

#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]
#![expect(
    clippy::print_stdout,
    reason = "a check that fails does not know whose input it has"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
mod checks;

/// Checks every input that is kept for `target`.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut inputs = 0;
    for entry in fs::read_dir(folder.join(target)).expect("a folder of the corpus") {
        let path = entry.expect("an entry").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("a file of the corpus"));
        inputs += 1;
    }
    assert!(inputs > 0, "nothing is kept for {target}");
}

/// A check of text, which passes over what is none, as fuzzing does.
fn text(check: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| {
        if let Ok(text) = str::from_utf8(bytes) {
            check(text);
        }
    }
}

#[test]
fn addresses() {
    replay("address", text(checks::address));
}

#[test]
fn children() {
    replay("child", checks::child);
}

#[test]
fn components() {
    replay("component", checks::component);
}

#[test]
fn grants() {
    replay("grants", text(checks::grants));
}

#[test]
fn networks() {
    replay("networks", text(checks::networks));
}
