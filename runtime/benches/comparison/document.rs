//! BENCHMARKS.md: what is written by hand stays, what is between the two marks is written anew.

use anyhow::{Context as _, Result};

use super::table::Table;

const BEGIN: &str = "<!-- cargo bench writes from here -->";
const END: &str = "<!-- to here -->";

/// Everything that a run has to say.
pub(super) fn generated(machine: &str, tables: &[Table]) -> String {
    let tables: String = tables.iter().map(Table::to_string).collect();
    format!("{machine}\n{}\n", tables.trim_end())
}

/// `document` with `generated` between its marks.
pub(super) fn with_generated(document: &str, generated: &str) -> Result<String> {
    let missing = || format!("BENCHMARKS.md has no {BEGIN} with {END} after it");
    let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{generated}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_stays() {
        let document = format!("# Benchmarks\n\n{BEGIN}\nold\n{END}\n\nAfter.\n");
        let new = with_generated(&document, "new\n").unwrap();
        let expected = format!("# Benchmarks\n\n{BEGIN}\n\nnew\n\n{END}\n\nAfter.\n");
        assert_eq!(new, expected);
        assert_eq!(with_generated(&new, "new\n").unwrap(), expected);
    }

    #[test]
    fn a_document_without_marks_is_left_alone() {
        let error = with_generated(&format!("{END}{BEGIN}"), "new").unwrap_err();
        assert!(error.to_string().contains(END));
    }

    #[test]
    fn the_marks_are_in_the_document() {
        let document = include_str!("../../../BENCHMARKS.md");
        assert!(with_generated(document, "new").is_ok());
    }

    #[test]
    fn tables_follow_the_machine() {
        let table = Table {
            title: "TCP".to_owned(),
            ..Table::default()
        };
        assert_eq!(
            generated("- cores: 2\n", &[table]),
            "- cores: 2\n\n### TCP\n"
        );
    }
}
