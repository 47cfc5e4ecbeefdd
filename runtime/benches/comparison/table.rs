//! A table of BENCHMARKS.md, and how numbers are written in it.

use std::fmt;

use super::statistics::Summary;

/// A table with its heading, and the lines below it that say what is not in it, and why.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) title: String,
    /// What was done, in a sentence or two; may be empty.
    pub(super) about: String,
    pub(super) header: Vec<&'static str>,
    pub(super) lines: Vec<Vec<String>>,
    pub(super) notes: Vec<String>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        if !self.about.is_empty() {
            writeln!(f, "{}\n", self.about)?;
        }
        if !self.lines.is_empty() {
            writeln!(f, "| {} |", self.header.join(" | "))?;
            // Numbers stand at the right, what they belong to at the left.
            let columns = self.header.iter().skip(1);
            writeln!(
                f,
                "| --- |{}",
                columns.map(|_| " ---: |").collect::<String>()
            )?;
            for line in &self.lines {
                writeln!(f, "| {} |", line.join(" | "))?;
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "- {note}")?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Where there is no good round.
pub(super) const NO_RESULT: &str = "no result";

/// The middle, as a cell.
pub(super) fn median(summary: Option<Summary>) -> String {
    summary.map_or_else(|| NO_RESULT.to_owned(), |summary| number(summary.median))
}

/// The spread, as a cell.
pub(super) fn spread(summary: Option<Summary>) -> String {
    summary.map_or_else(String::new, |summary| {
        format!("{}..{}", number(summary.least), number(summary.greatest))
    })
}

/// A number with about three digits that mean something: `12,345`, `12.3`, `1.23`, `0.012`.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        100.0.. => thousands(&format!("{value:.0}")),
        10.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Groups the digits of a whole number.
fn thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_exactly() {
        let table = Table {
            title: "TCP".to_owned(),
            about: "Sixteen clients.".to_owned(),
            header: vec!["server", "requests/s"],
            lines: vec![
                vec!["ours".to_owned(), "12,345".to_owned()],
                vec!["theirs".to_owned(), "no result".to_owned()],
            ],
            notes: vec!["theirs: failed requests: 2 wrong".to_owned()],
        };
        let expected = "\
### TCP

Sixteen clients.

| server | requests/s |
| --- | ---: |
| ours | 12,345 |
| theirs | no result |

- theirs: failed requests: 2 wrong

";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn numbers_have_about_three_digits() {
        let written = [1_234_567.8, 999.6, 123.4, 12.34, 1.234, 0.1234, 0.0123, 0.0].map(number);
        let expected = [
            "1,234,568",
            "1,000",
            "123",
            "12.3",
            "1.23",
            "0.12",
            "0.012",
            "0.000",
        ];
        assert_eq!(written, expected);
    }

    #[test]
    fn nothing_is_no_result() {
        assert_eq!(
            (median(None), spread(None)),
            (NO_RESULT.to_owned(), String::new())
        );
        let summary = Summary {
            median: 2.0,
            least: 1.0,
            greatest: 3000.0,
        };
        assert_eq!(median(Some(summary)), "2.00");
        assert_eq!(spread(Some(summary)), "1.00..3,000");
    }
}
