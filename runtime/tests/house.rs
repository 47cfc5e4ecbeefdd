//! The rules of the house, checked over its source: who may name what.
//!
//! That this is an integration test of the package has a second use: cargo builds the binary `runtime` for
//! it, which the tests of the whole workspace run.

#![expect(clippy::expect_used, reason = "a test that cannot go on says why")]

use std::fs;
use std::path::{Path, PathBuf};

/// Files that may hold `unsafe`: each block with its reason.
const UNSAFE: [&str; 8] = [
    "allocator.rs",
    "confine/kernel.rs",
    "confine/tests/raw.rs",
    "forking/fork.rs",
    "forking/text.rs",
    "listen/inherit.rs",
    "sandbox/component.rs",
    "watched.rs",
];

/// Lines of the longest file.
const LONGEST: usize = 400;

/// A file of `src`: its path there, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// True if it is one of `rooms`: a file, or a folder with a `/` at its end.
    fn is_in(&self, rooms: &[&str]) -> bool {
        rooms
            .iter()
            .any(|room| self.path == *room || (room.ends_with('/') && self.path.starts_with(room)))
    }

    /// Its lines of code, with their numbers: comments say what they want.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.filter_map(|(index, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (!code.trim().is_empty()).then_some((index + 1, code))
        })
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let source = |path: PathBuf| Source {
        text: fs::read_to_string(&path).expect("a source file is text"),
        path: path
            .strip_prefix(&root)
            .expect("a file of src")
            .display()
            .to_string(),
    };
    files.into_iter().map(source).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// True if `word` is in `code` as a word of its own.
fn names(code: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Asserts that `word` is named in `rooms` only, and there at all: a rule about nothing guards nothing.
fn only_in(word: &str, rooms: &[&str]) {
    let mut named = false;
    for source in sources() {
        for (number, code) in source.code() {
            if names(code, word) {
                named = true;
                let path = &source.path;
                assert!(
                    source.is_in(rooms),
                    "{path}:{number} names {word}, which is for {rooms:?}"
                );
            }
        }
    }
    assert!(named, "nobody names {word} any more: drop this rule");
}

#[test]
fn wasmtime_is_named_in_the_sandbox_and_the_bridges_only() {
    let rooms = ["sandbox/", "stream/"];
    only_in("wasmtime", &rooms);
    only_in("wasmtime_wasi", &rooms);
}

#[test]
fn socket2_is_named_where_sockets_are_made_only() {
    only_in("socket2", &["listen/"]);
}

#[test]
fn clap_is_named_in_the_command_only() {
    only_in("clap", &["cli/", "main.rs"]);
}

#[test]
fn paths_of_guests_are_opened_in_one_room() {
    only_in("cap_primitives", &["sandbox/files/"]);
}

#[test]
fn the_second_wall_is_built_in_one_room() {
    for word in ["landlock", "seccompiler"] {
        only_in(word, &["confine/"]);
    }
}

#[test]
fn what_counts_clients_is_named_at_the_door_only() {
    for word in ["dashmap", "governor", "prefix_trie"] {
        only_in(word, &["admission/"]);
    }
}

#[test]
fn the_environment_is_read_by_the_command_only() {
    for source in sources() {
        for (number, code) in source.code() {
            let reads = ["env::var", "env::vars", "env::var_os"];
            if reads.iter().any(|call| names(code, call)) {
                let path = &source.path;
                assert!(
                    source.is_in(&["cli/"]),
                    "{path}:{number} reads the environment"
                );
            }
        }
    }
}

#[test]
fn only_admission_admits() {
    for source in sources() {
        for (number, code) in source.code() {
            let makes = code.contains("Admitted {") && !code.trim_start().starts_with("let ");
            assert!(
                !makes || source.is_in(&["admission/"]),
                "{}:{number} makes an admitted request",
                source.path
            );
        }
    }
}

#[test]
fn unsafe_code_is_in_named_files_and_says_why() {
    let mut found = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, _) in source.code().filter(|(_, code)| names(code, "unsafe")) {
            let path = &source.path;
            assert!(UNSAFE.contains(&path.as_str()), "{path}:{number} is unsafe");
            let before = &lines[number.saturating_sub(5)..number];
            let says_why = before.iter().any(|line| line.contains("// SAFETY:"));
            assert!(says_why, "{path}:{number} does not say why it is safe");
            found.push(path.clone());
        }
    }
    for file in UNSAFE {
        assert!(
            found.iter().any(|path| path == file),
            "{file} is not unsafe any more"
        );
    }
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(
            lines <= LONGEST,
            "{} has {lines} lines, more than {LONGEST}",
            source.path
        );
    }
}
