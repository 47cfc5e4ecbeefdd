//! What a component takes before it does anything, or by no call of the host: memory that the host holds for it, parts that
//! the engine unfolds, handles of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use tests::{Ended, Handmade, Serve, command};

/// Sixty instances with two thousand entries each of a segment that no table has yet.
fn with_segments(folder: &TempDir) -> (PathBuf, u64) {
    let entries = "$f ".repeat(2000);
    let instances = "(core instance (instantiate $More))".repeat(60);
    let module = format!("(core module $More (func $f) (elem func {entries}))");
    let handler = Handmade {
        component: &format!("{module} {instances}"),
        ..Handmade::default()
    };
    (handler.file(folder.path()), 60 * (32 + 2000 * 16))
}

#[test]
fn segments_that_the_host_holds_are_memory_of_the_handler() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, bytes) = with_segments(&folder);
    let serve = |limit| Serve::new(file.clone()).args(["--max-memory", limit]);
    let refused = serve("1MiB").run();
    refused.assert_one_line(1, &["bytes of memory, and max-memory is 1048576"]);

    for schedule in ["threaded", "forking"] {
        let flags = ["--access-log", "all", "--schedule", schedule];
        let server = serve("4MiB").args(flags).start();
        assert_eq!(server.ask("x\n"), "");
        // And the page of its memory.
        let peak = format!("peak_memory={}", bytes + 65_536);
        let line = server.end_of(1);
        assert!(line.contains(&peak), "{line}");
    }
}

#[test]
fn a_handler_that_begins_with_more_than_all_may_have_is_not_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, bytes) = with_segments(&folder);
    let begins = bytes + 65_536;
    let serve = |total: u64| {
        let total = total.to_string();
        let serve = Serve::new(file.clone()).args(["--max-total-memory", &total]);
        serve.args(["--requests", "1", "--timeout", "1ms"]).run()
    };
    let both = format!("begins with {begins} bytes of memory, and max-total-memory is");
    serve(begins - 1).assert_one_line(1, &[&both]);
    assert_eq!(serve(begins).code, Some(0));
}

fn inspect(file: &Path) -> Ended {
    let mut inspect = Command::new(command());
    let output = inspect.arg("inspect").arg(file).output();
    output.expect("the command starts").into()
}

#[test]
fn what_doubles_or_lies_deep_in_itself_is_refused_before_the_engine_unfolds_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut doubling = "(component $all (component $c0)".to_owned();
    for step in 0..40 {
        let twice = "(instance (instantiate $c))".repeat(2);
        let before = format!("(alias outer $all $c{step} (component $c))");
        doubling += &format!("(component $c{} {before} {twice})", step + 1);
    }
    doubling += "(instance (instantiate $c40))) (instance (instantiate $all))";
    let deep = "(component ".repeat(60) + &")".repeat(60);
    for (component, why) in [
        (doubling, "unfolds to more than"),
        (deep, "more than 50 deep"),
    ] {
        let handler = Handmade {
            component: &component,
            ..Handmade::default()
        };
        let file = handler.file(folder.path());
        for ended in [Serve::new(file.clone()).run(), inspect(&file)] {
            ended.assert_one_line(1, &["handmade", why, "it is not loaded"]);
        }
    }
}

/// Makes resources of its own and drops none.
#[test]
fn handles_of_its_own_count_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let handler = Handmade {
        component: "(type $mine (resource (rep i32))) (core func $new (canon resource.new $mine))",
        with: r#"(with "host" (instance (export "new" (func $new))))"#,
        module: r#"(import "host" "new" (func $new (param i32) (result i32)))"#,
        handle: "(loop $again (drop (call $new (i32.const 0))) (br $again))",
    };
    let serve = Serve::new(handler.file(folder.path())).args(["--max-handles", "100"]);
    let server = serve.start();
    assert_eq!(server.ask("x\n"), "");
    let line = server.end_of(1);
    assert!(line.contains("outcome=\"memory\""), "{line}");
    assert!(line.contains("max-handles"), "{line}");
}

/// The host is not to blame for what a handler does before it is called.
#[test]
fn what_goes_wrong_in_a_start_function_is_the_handlers_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let handler = Handmade {
        component: "(type $mine (resource (rep i32))) (core func $drop (canon resource.drop $mine))",
        with: r#"(with "host" (instance (export "drop" (func $drop))))"#,
        module: r#"(import "host" "drop" (func $drop (param i32)))
            (func $start (call $drop (i32.const 42)))
            (start $start)"#,
        ..Handmade::default()
    };
    for schedule in ["threaded", "forking"] {
        let serve = Serve::new(handler.file(folder.path()));
        let server = serve.args(["--schedule", schedule]).start();
        assert_eq!(server.ask("x\n"), "");
        let line = server.end_of(1);
        assert!(line.contains("outcome=\"trap\" fault=handler"), "{line}");
    }
}
