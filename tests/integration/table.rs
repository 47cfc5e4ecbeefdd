//! The table of limits, as the documents show it and the tests prove it.

use std::fs;

use runtime::{Applies, Limit, Outcome, limits};
use tests::root;

fn document(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("a document")
}

/// The row of the README's table.
fn row(limit: &Limit) -> String {
    let applies = match limit.applies {
        Applies::All => String::new(),
        some => format!(" ({some})"),
    };
    let meaning = limit.meaning.trim_end_matches('.');
    let default = limit.default_text();
    format!(
        "| `--{}`{applies} | {default} | {meaning} | {} |",
        limit.name, limit.outcome
    )
}

/// True if there is a test `file::test`: an integration test, or one beside the code that it tests.
fn exists(name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return false;
    };
    ["tests/integration", "runtime/src"].iter().any(|folder| {
        let file = root().join(format!("{folder}/{file}.rs"));
        fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
    })
}

#[test]
fn the_readme_has_the_table_of_limits() {
    let rows: Vec<_> = limits().map(|limit| row(&limit)).collect();
    let table = rows.join("\n");
    assert!(
        document("README.md").contains(&table),
        "the README's table of limits should have these rows:\n{table}"
    );
}

#[test]
fn every_limit_is_proved_by_a_test_that_exists() {
    for limit in limits() {
        let (name, proof) = (limit.name, limit.proof);
        assert!(
            exists(proof),
            "the limit {name} is proved by {proof}, which is not there"
        );
    }
}

#[test]
fn the_readme_tells_of_every_outcome() {
    let readme = document("README.md");
    for word in Outcome::WORDS {
        let told = readme
            .lines()
            .any(|line| line.starts_with("| ") && line.contains(&format!("`{word}`")));
        assert!(told, "the README does not tell of the outcome {word}");
    }
    for limit in limits() {
        let word = limit.outcome;
        let known = word.starts_with("none: ") || Outcome::WORDS.contains(&word);
        assert!(known, "{word} is no outcome");
    }
}

/// Tests are named there as `file::test`.
#[test]
fn every_test_that_the_accounting_of_security_names_exists() {
    let security = document("runtime/SECURITY.md");
    let names = security.split('`').skip(1).step_by(2);
    let tests: Vec<_> = names
        .filter(|name| name.contains("::") && *name != "file::test")
        .collect();
    assert!(tests.len() > 20, "the accounting names its tests");
    for test in tests {
        assert!(
            exists(test),
            "runtime/SECURITY.md names {test}, which is not there"
        );
    }
}
