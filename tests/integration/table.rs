//! The table of limits, as the documents show it and the tests prove it.

use std::fs;

use runtime::{Applies, Fault, Limit, Outcome, Refusal, Unit, limits};
use tests::{Ended, refused, root};

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

/// True if there is a test `file::test` that runs: an integration test, or one beside the code that it tests.
fn exists(name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return false;
    };
    ["tests/integration", "runtime/src"].iter().any(|folder| {
        let file = root().join(format!("{folder}/{file}.rs"));
        fs::read_to_string(file).is_ok_and(|text| has_test(&text, test))
    })
}

/// True if a source file has a test of that name, and does not ignore it.
fn has_test(text: &str, test: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let beginnings = [format!("fn {test}("), format!("async fn {test}(")];
    let begins = |line: &&str| {
        beginnings
            .iter()
            .any(|beginning| line.starts_with(beginning))
    };
    let Some(place) = lines.iter().position(begins) else {
        return false;
    };
    let above = lines[..place].iter().rev();
    let attributes: Vec<_> = above.take_while(|line| line.starts_with('#')).collect();
    let has = |word: &str| attributes.iter().any(|line| line.starts_with(word));
    let is_test = has("#[test]") || has("#[tokio::test") || is_of_a_matrix(&lines, test);
    is_test && !has("#[ignore")
}

/// True if a matrix of tests is made of the function.
fn is_of_a_matrix(lines: &[&str], body: &str) -> bool {
    let bodies = lines
        .iter()
        .filter_map(|line| line.strip_prefix("matrix!("));
    let mut bodies = bodies.flat_map(|rest| rest.trim_end_matches(");").split(", "));
    bodies.any(|word| word == body)
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

/// Each outcome once, however it is told in detail.
fn outcomes() -> Vec<Outcome> {
    let text = String::new;
    let refusals = [
        Refusal::Full,
        Refusal::Verify,
        Refusal::Denied,
        Refusal::Rate,
        Refusal::SourceRate,
        Refusal::SourceFull,
    ];
    let others = [
        Outcome::Ok,
        Outcome::HandlerError(text()),
        Outcome::Trap(text()),
        Outcome::Exit(false),
        Outcome::Memory("max-memory"),
        Outcome::Stack,
        Outcome::Fuel,
        Outcome::Cpu("cpu-limit"),
        Outcome::Wall,
        Outcome::FirstByte,
        Outcome::Write,
        Outcome::Idle(Fault::Client),
        Outcome::BytesIn,
        Outcome::BytesOut("max-bytes-out"),
        Outcome::Output("max-output"),
        Outcome::Denied(text()),
        Outcome::Killed(text()),
        Outcome::ClientGone,
        Outcome::Aborted,
        Outcome::Host(text()),
    ];
    let refused = refusals.map(Outcome::Refused);
    others.into_iter().chain(refused).collect()
}

/// What the README says of whose fault an outcome is: the column beside its word, once.
fn told_fault<'a>(readme: &'a str, word: &str) -> &'a str {
    let quoted = format!("`{word}`");
    let rows = readme.lines().filter_map(|line| {
        let (words, rest) = line.strip_prefix("| ")?.split_once('|')?;
        let is_its = words.trim().split(", ").any(|word| word == quoted);
        is_its.then(|| rest.split('|').next().unwrap_or_default().trim())
    });
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 1, "rows of the outcome {word} in the README");
    rows[0]
}

#[test]
fn the_readme_tells_of_every_outcome() {
    let readme = document("README.md");
    let outcomes = outcomes();
    for word in Outcome::WORDS {
        let outcome = outcomes.iter().find(|outcome| outcome.as_str() == word);
        let fault = match outcome.unwrap_or_else(|| panic!("no {word} in the list")) {
            Outcome::Exit(_) => "handler, if it was a failure".to_owned(),
            Outcome::Idle(_) => "client, or handler".to_owned(),
            outcome => outcome
                .fault()
                .map_or(String::new(), |fault| fault.to_string()),
        };
        assert_eq!(told_fault(&readme, word), fault, "whose fault {word} is");
    }
    for limit in limits() {
        let word = limit.outcome;
        let known = word.starts_with("none: ") || Outcome::WORDS.contains(&word);
        assert!(known, "{word} is no outcome");
    }
}

/// The rows of the tables of what somebody cannot do: each names its tests last, as `file::test`.
#[test]
fn every_line_of_the_accounting_of_security_names_tests_that_exist() {
    let security = document("runtime/SECURITY.md");
    let rows = security.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows
        .filter(|row| !row.starts_with("| it tries to ") && !row.starts_with("| --- "))
        .collect();
    assert!(rows.len() > 20, "the tables of the accounting");
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next();
        let tests: Vec<&str> = last
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        assert!(!tests.is_empty(), "no test stands in: {row}");
        for test in tests {
            assert!(exists(test), "{test} is no test that runs, in: {row}");
        }
    }
}

/// A value on each side of both bounds: what is inside is no reason to refuse, what is outside is refused in one line.
#[test]
fn every_limit_has_its_bounds() {
    for limit in limits() {
        let (least, most) = limit.bounds;
        for inside in [least, most] {
            served_with(&limit, inside).assert_one_line(1, &["no-such.wasm"]);
        }
        let outside = [least.checked_sub(1), most.checked_add(1)];
        for outside in outside.into_iter().flatten() {
            let ended = served_with(&limit, outside);
            ended.assert(2, &[]);
            let says = format!("error: --{} is ", limit.name);
            let complaint = ended.stderr.lines().next().unwrap_or_default();
            assert!(
                complaint.starts_with(&says) && complaint.contains(": choose "),
                "{ended}"
            );
        }
    }
}

/// What the command says to a limit's flag with that amount.
fn served_with(limit: &Limit, amount: u64) -> Ended {
    let unit = if limit.unit == Unit::Time { "ns" } else { "" };
    let (flag, amount) = (format!("--{}", limit.name), format!("{amount}{unit}"));
    let proto = match limit.applies.transports().first() {
        Some(first) => first.as_str(),
        None => panic!("{flag} is for nothing"),
    };
    let mut flags = vec!["--proto", proto, &flag, &amount];
    if limit.name == "max-sources" {
        // Of whom there is nothing to remember without that.
        flags.extend(["--max-rate-per-source", "1"]);
    }
    refused(&flags)
}
