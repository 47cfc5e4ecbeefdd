//! How a process ended, and what it should have said.

use std::fmt;
use std::process::Output;

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (out, err) = (&self.stdout, &self.stderr);
        write!(
            f,
            "code {:?}\n--- stdout:\n{out}--- stderr:\n{err}---",
            self.code
        )
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl Ended {
    /// Asserts an exit code, and that standard error holds all of `parts`.
    pub fn assert(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is missing: {self}");
        }
    }

    /// Asserts a failure that is told in one line.
    pub fn assert_one_line(&self, code: i32, parts: &[&str]) {
        self.assert(code, parts);
        let errors = self.stderr.lines().filter(|line| !line.contains(" INFO "));
        assert_eq!(errors.count(), 1, "{self}");
    }
}
