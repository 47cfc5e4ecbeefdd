//! Every example's README: its three commands are run as they stand, but for the port and for where things
//! are built.

use std::fs;
use std::process::Command;

use tests::{Serve, Server, cleared, command_output, root, target_folder, tool};

/// A test for each example, and one that sees to it that none is missing.
macro_rules! readmes {
    ($($name:ident $folder:literal),+ $(,)?) => {
        $(#[test] fn $name() { follow($folder); })+

        #[test]
        fn every_example_is_here() {
            let here = [$($folder),+, "embedded"];
            let examples = fs::read_dir(root().join("examples")).expect("the examples");
            for example in examples {
                let name = example.expect("a folder").file_name();
                assert!(here.iter().any(|known| name == *known), "{name:?} is not followed");
            }
        }
    };
}

readmes! {
    daytime "daytime",
    http "http",
    log_collector "log-collector",
    robust "robust",
    threaded_name "threaded-name",
    upper "upper",
    upper_line "upper-line",
    upper_loop "upper-loop",
}

/// A README, and the three lines of its fenced block.
fn readme(example: &str) -> (String, [String; 3]) {
    let path = root().join("examples").join(example).join("README.md");
    let text = fs::read_to_string(&path).expect("a README");
    let block = text
        .split("```sh\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines = block
        .expect("a fenced block")
        .lines()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let lines = <[String; 3]>::try_from(lines).expect("three lines");
    (text, lines)
}

fn follow(example: &str) {
    let (text, [build, run, ask]) = readme(example);
    let program = ask
        .split(" | ")
        .last()
        .and_then(|last| last.split(' ').next());
    if tool(program.expect("a program")).is_none() {
        return;
    }
    shell(&build);
    let words = run
        .strip_prefix("cargo run --release -- ")
        .expect("it runs the command");
    let server = Serve::typed(words.split(' ')).start();
    let port = server.address().port();
    let ask = ask.replace("127.0.0.1:9999", &format!("127.0.0.1:{port}"));
    let ask = ask.replace("127.0.0.1 9999", &format!("127.0.0.1 {port}"));
    assert!(ask.contains(&port.to_string()), "{ask} asks somebody else");
    let answer = shell(&ask);
    check(example, &text, &answer, &server);
    server.stop().assert(0, &[]);
}

/// Compares an answer with what the README says that it is.
fn check(example: &str, text: &str, answer: &str, server: &Server) {
    match example {
        "daytime" => {
            // The time is what it is; its form is what the README says.
            let (time, line) = answer.split_once("] ").expect("a time");
            assert_eq!(line, "hello\n");
            assert_eq!(time.len(), "[Tue Apr 18 20:55:49 2006".len(), "{answer}");
            assert!(
                text.contains("`[Tue Apr 18 20:55:49 2006] hello`"),
                "{text}"
            );
            let _ = server.printed(&["...connected from: 127.0.0.1:"]);
        }
        "log-collector" => {
            assert_eq!(answer, "");
            let _ = server.printed(&["127.0.0.1:", "<13>hello"]);
        }
        _ => {
            let told = text
                .split("The answer: `")
                .nth(1)
                .and_then(|rest| rest.split('`').next());
            assert_eq!(
                answer.trim_end_matches('\n'),
                told.expect("the README tells the answer")
            );
        }
    }
}

/// Runs a line as a reader's shell does, in the workspace's folder.
fn shell(line: &str) -> String {
    let mut shell = Command::new("sh");
    cleared(&mut shell).env("CARGO_TARGET_DIR", target_folder());
    command_output(shell.args(["-c", line]).current_dir(root()))
}

/// The embedding program is built with these tests, in their profile: an optimised one would take minutes.
#[test]
fn embedded() {
    let (_, [build, embed, run]) = readme("embedded");
    shell(&build);
    assert_eq!(embed, "cargo build --release -p embedded");
    let words = run
        .strip_prefix("cargo run --release -p embedded -- ")
        .expect("it runs it");
    let component = words.replace("target/", &format!("{}/", target_folder().display()));
    let said = command_output(Command::new(tests::embedded()).arg(component));
    let mut lines: Vec<&str> = said.lines().collect();
    assert!(
        lines
            .remove(0)
            .starts_with("Server listening on 127.0.0.1:"),
        "{said}"
    );
    assert_eq!(lines.pop(), Some("Closed: Drained"), "{said}");
    lines.sort_unstable();
    let answers = [1, 2, 3].map(|number| format!("Received: HELLO WORLD {number}"));
    assert_eq!(lines, answers);
}
