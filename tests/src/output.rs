//! What a process prints, kept line by line, and waited for.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The lines of one stream, so far.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Reads `source` to its end, in a thread.
    pub(crate) fn of(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let reader = lines.clone();
        thread::spawn(move || reader.read(source));
        lines
    }

    fn read(&self, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while source
            .read_until(b'\n', &mut line)
            .is_ok_and(|count| count > 0)
        {
            let text = String::from_utf8_lossy(&line);
            let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
            self.change(|state| state.lines.push(text));
            line.clear();
        }
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.1.notify_all();
    }

    /// Waits until `wanted` finds something in the lines, or the stream has ended without it, or the time
    /// is over.
    pub(crate) fn wait_for<T>(
        &self,
        patience: Duration,
        wanted: impl Fn(&[String]) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + patience;
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found = wanted(&state.lines);
            let left = until.saturating_duration_since(Instant::now());
            if found.is_some() || state.ended || left.is_zero() {
                return found;
            }
            let woken = self.shared.1.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end; false if it did not come in time.
    pub(crate) fn wait_for_end(&self, patience: Duration) -> bool {
        self.wait_for(patience, |_| None::<()>);
        self.shared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended
    }

    /// All lines so far.
    pub(crate) fn text(&self) -> String {
        let state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The number that a line of the access log has after `name=`.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn number_in(line: &str, name: &str) -> f64 {
    let told = line
        .split(' ')
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let number = told.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no {name} in {line}"))
}
