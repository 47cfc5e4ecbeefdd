//! What is refused before anything is started: one line, and 2.

use tests::refused;

#[test]
fn a_number_of_children_is_the_number_of_requests() {
    let both = ["--max-children", "4", "--max-concurrency", "5"];
    refused(&[&["--schedule", "forking"], both.as_slice()].concat()).assert(
        2,
        &["--max-children", "--max-concurrency", "cannot be used with"],
    );
    refused(&["--schedule", "forking", "--max-children", "0"])
        .assert(2, &["--max-children", "0 is not in 1.."]);
}

#[test]
fn what_is_about_processes_is_for_forking() {
    for schedule in ["sync", "threaded"] {
        for flag in [["--max-children", "4"], ["--confine", "strict"]] {
            let flags = [["--schedule", schedule], flag].concat();
            let line = format!("{} is for --schedule forking", flag[0]);
            refused(&flags).assert(2, &[&line]);
        }
    }
}

#[test]
fn whoever_finds_no_room_waits() {
    refused(&["--schedule", "forking", "--when-full", "refuse"])
        .assert(2, &["--when-full refuse", "requests wait, as in Python"]);
}

#[test]
fn memory_is_not_counted_across_processes() {
    refused(&["--schedule", "forking", "--max-total-memory", "1GiB"])
        .assert(2, &["max-total-memory", "max-memory times max-concurrency"]);
}

#[test]
fn a_wall_is_one_of_three() {
    refused(&["--schedule", "forking", "--confine", "partly"])
        .assert(2, &["--confine", "choose best-effort or strict or off"]);
}
