//! More requests at once than the machine carries: refused if they were asked for, and fewer where they were not.

use std::fs;
use std::path::PathBuf;

use tests::{Ended, Handmade, Serve, guest};

/// The number behind a text.
#[track_caller]
fn number_behind(line: &str, text: &str) -> u64 {
    let (_, rest) = line.split_once(text).unwrap_or_else(|| panic!("{line}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("{line}"))
}

/// Serves for a moment, if it may.
fn serve(handler: PathBuf, flags: &[&str]) -> Ended {
    let once = ["--requests", "1", "--timeout", "1ms"];
    Serve::new(handler).args(flags).args(once).run()
}

fn at_once(concurrency: u64) -> Ended {
    let concurrency = concurrency.to_string();
    serve(guest("bare"), &["--max-concurrency", &concurrency])
}

#[test]
fn the_refusal_names_the_largest_number_that_is_not_refused() {
    let ended = at_once(4_000_000);
    ended.assert_one_line(1, &["4000000", "has room for", "lower --max-concurrency"]);
    let fits = number_behind(&ended.stderr, "has room for ");
    assert_eq!(at_once(fits).code, Some(0), "{fits} were to fit");
    at_once(fits + 1).assert_one_line(1, &["has room for", &fits.to_string()]);
}

/// Memory maps run out first, on a machine that nobody has told otherwise; address space is not for sale.
#[test]
fn the_refusal_names_the_setting_that_would_allow_more_and_how_many() {
    let maps = fs::read_to_string("/proc/sys/vm/max_map_count").expect("Linux");
    let maps: u64 = maps.trim().parse().expect("a number");
    if maps != 65_530 {
        println!("skipped: vm.max_map_count is {maps}");
        return;
    }
    for wanted in [11_000, 4_000_000] {
        let ended = at_once(wanted);
        ended.assert_one_line(1, &["vm.max_map_count has room for", "or raise it with"]);
        let more = number_behind(&ended.stderr, "sysctl vm.max_map_count=");
        let allowed = number_behind(&ended.stderr, "which has room for ");
        assert!(more > maps && allowed <= wanted, "{}", ended.stderr);
        assert_eq!(allowed == wanted, wanted == 11_000, "{}", ended.stderr);
    }
}

#[test]
fn the_default_is_lowered_to_what_the_machine_carries_and_the_start_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let memories = "(core instance (instantiate $more))".repeat(20);
    let handler = Handmade {
        component: &format!("(core module $more (memory 1)) {memories}"),
        ..Handmade::default()
    };
    let handler = handler.file(folder.path());
    let allowed = ["--max-memories", "32"];
    let server = Serve::new(handler.clone()).args(allowed).start();
    let line = server.said(&["fewer than the default of 1000"]);
    assert!(line.contains(" WARN "), "{line}");
    let fits = number_behind(&line, "this machine carries ");
    assert!((1..1000).contains(&fits), "{line}");
    assert_eq!(server.ask("x\n"), "", "it serves");
    server.stop().assert(0, &["1 requests: 1 ok"]);

    // By flag, that many are what fits, and no more do.
    let at_once = |concurrency: u64| {
        let concurrency = concurrency.to_string();
        let flags = ["--max-memories", "32", "--max-concurrency", &concurrency];
        serve(handler.clone(), &flags)
    };
    assert_eq!(at_once(fits).code, Some(0));
    at_once(1000).assert_one_line(1, &["has room for", &fits.to_string()]);
}
