//! What was measured, under the names by which the targets ask for it.

use std::collections::BTreeMap;

use super::statistics::{Summary, ratios, summary};

/// One number for each round; none for a round that failed.
pub(super) type Series = Vec<Option<f64>>;

/// All numbers of a run: `"tcp / runtime, threaded"`, say, is a row and a server.
#[derive(Debug, Default)]
pub(super) struct Measured(BTreeMap<String, Series>);

impl Measured {
    pub(super) fn add(&mut self, row: &str, server: &str, series: Series) {
        self.0.insert(key(row, server), series);
    }

    /// A server's number in a row, unless the row did not run or had no such server.
    pub(super) fn of(&self, row: &str, server: &str) -> Option<&Series> {
        self.0.get(&key(row, server))
    }

    /// The ratios of two servers in one row, round by round.
    pub(super) fn ratios(&self, row: &str, ours: &str, other: &str) -> Option<Series> {
        Some(ratios(self.of(row, ours)?, self.of(row, other)?))
    }
}

fn key(row: &str, server: &str) -> String {
    format!("{row} / {server}")
}

/// One figure of what each round said.
pub(super) fn series<T>(rounds: &[Option<T>], figure: impl Fn(&T) -> f64) -> Series {
    let figures = rounds.iter().map(|round| round.as_ref().map(&figure));
    figures.collect()
}

/// What the good rounds say.
pub(super) fn of_good_rounds(series: &[Option<f64>]) -> Option<Summary> {
    summary(series.iter().copied().flatten())
}
