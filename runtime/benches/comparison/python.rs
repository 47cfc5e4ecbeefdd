//! Which Python there is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Prints what a Python is, in words that are parsed below.
const ASK: &str = "import sys; print(sys.implementation.name, *sys.version_info[:3])";

/// A CPython that runs.
#[derive(Debug)]
pub(super) struct Python {
    pub(super) path: PathBuf,
    version: [u32; 3],
}

impl Python {
    /// The newest of those on PATH and of pyenv's, whose own commands on PATH may lead to an older one or none.
    pub(super) fn newest() -> Option<Self> {
        let folders = folders();
        let pythons = folders.iter().flat_map(|folder| pythons_in(folder));
        let running = pythons.filter_map(|path| {
            let version = version(&path)?;
            Some(Self { path, version })
        });
        running.max_by_key(|python| python.version)
    }

    /// `CPython 3.13.0`.
    pub(super) fn name(&self) -> String {
        let [major, minor, patch] = self.version;
        format!("CPython {major}.{minor}.{patch}")
    }
}

fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Some(home) = std::env::var_os("HOME") {
        let versions = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"));
        let versions = versions.into_iter().flatten().flatten();
        folders.extend(versions.map(|version| version.path().join("bin")));
    }
    folders
}

/// `python3` and `python3.N` in a folder.
fn pythons_in(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter(|file| is_python(&file.file_name()))
        .map(|file| file.path())
        .collect()
}

fn is_python(name: &OsStr) -> bool {
    let minor = name.to_str().and_then(|name| name.strip_prefix("python3"));
    minor.is_some_and(|minor| {
        minor.is_empty()
            || minor
                .strip_prefix('.')
                .is_some_and(|minor| minor.parse::<u32>().is_ok())
    })
}

/// Its version, if it runs at all and is CPython.
fn version(python: &Path) -> Option<[u32; 3]> {
    let output = Command::new(python)
        .args(["-c", ASK])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(answer: &str) -> Option<[u32; 3]> {
    let numbers = answer.trim().strip_prefix("cpython ")?;
    let numbers: Option<Vec<u32>> = numbers.split(' ').map(|word| word.parse().ok()).collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_is_known_by_its_name() {
        for name in ["python3", "python3.9", "python3.13"] {
            assert!(is_python(name.as_ref()), "{name}");
        }
        for name in [
            "python",
            "python3-config",
            "python3.13-config",
            "python3.13t",
        ] {
            assert!(!is_python(name.as_ref()), "{name}");
        }
    }

    #[test]
    fn only_cpython_counts() {
        assert_eq!(parse("cpython 3 13 0\n"), Some([3, 13, 0]));
        assert_eq!(parse("pypy 3 10 14\n"), None);
        assert_eq!(parse(""), None);
    }
}
