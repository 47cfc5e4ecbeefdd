//! Every flag: where it has an effect, and that the help and the README tell of it. Whatever they show can be typed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::Limit;

const TRANSPORTS: &[&str] = &["tcp", "udp", "unix", "unixgram"];
const IP: &[&str] = &["tcp", "udp"];
const STREAMS: &[&str] = &["tcp", "unix"];
const DATAGRAMS: &[&str] = &["udp", "unixgram"];
const SCHEDULES: &[&str] = &["sync", "threaded", "forking"];
const AT_ONCE: &[&str] = &["threaded", "forking"];

/// A flag as it is typed, and the transports and the schedules that it has an effect with.
type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// All flags of `serve` but the limits, and but those that say what is served, where and how.
const FLAGS: [Row; 29] = [
    ("--requests 1", TRANSPORTS, SCHEDULES),
    ("--timeout 1s --requests 1", TRANSPORTS, SCHEDULES),
    ("--when-full wait", TRANSPORTS, SCHEDULES),
    ("--when-full refuse", TRANSPORTS, &["threaded"]),
    ("--drain-timeout 1s", TRANSPORTS, SCHEDULES),
    ("--block-on-close true", TRANSPORTS, SCHEDULES),
    ("--max-children 1", TRANSPORTS, &["forking"]),
    ("--confine off", TRANSPORTS, &["forking"]),
    ("--allow 10.0.0.0/8", IP, SCHEDULES),
    ("--deny 10.0.0.0/8", IP, SCHEDULES),
    ("--env A=1", TRANSPORTS, SCHEDULES),
    ("--dir /srv", TRANSPORTS, SCHEDULES),
    ("--dir-rw /srv", TRANSPORTS, SCHEDULES),
    ("--connect tcp://10.0.0.1:80", TRANSPORTS, SCHEDULES),
    ("--lookup example.com", TRANSPORTS, SCHEDULES),
    ("--send-to 10.0.0.1:80", TRANSPORTS, SCHEDULES),
    ("--request-queue-size 5", STREAMS, SCHEDULES),
    ("--allow-reuse-address true", IP, SCHEDULES),
    ("--allow-reuse-port", IP, SCHEDULES),
    ("--max-packet-size 1", DATAGRAMS, SCHEDULES),
    ("--disable-nagle-algorithm", &["tcp"], SCHEDULES),
    ("--read-timeout 1s", STREAMS, SCHEDULES),
    ("--socket-mode 660", &["unix", "unixgram"], SCHEDULES),
    ("--receive-buffer 64KiB", TRANSPORTS, SCHEDULES),
    ("--send-buffer 64KiB", TRANSPORTS, SCHEDULES),
    ("--cache-dir none", TRANSPORTS, SCHEDULES),
    ("--log-format json", TRANSPORTS, SCHEDULES),
    ("--log-level warn", TRANSPORTS, SCHEDULES),
    ("--access-log all", TRANSPORTS, SCHEDULES),
];

/// The flags that say what is served, where and how.
const WHAT: [&str; 4] = ["handler", "proto", "bind", "schedule"];

/// Whether the whole command line makes sense.
fn typed(line: &str) -> Result<(), String> {
    let words = line.split_whitespace().map(|word| word.trim_matches('\''));
    let command = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    match command.command {
        Command::Serve(serve) => serve.server.check(),
        Command::Inspect(inspect) => inspect.server.check(),
        Command::Bench(bench) => bench.check(),
    }
}

/// The flags of a subcommand, without their dashes.
fn flags(subcommand: &str) -> BTreeSet<String> {
    let mut command = Cli::command();
    command.build();
    let subcommand = command.find_subcommand(subcommand).expect("a subcommand");
    let longs = subcommand.get_arguments().filter_map(clap::Arg::get_long);
    longs
        .filter(|long| *long != "help")
        .map(str::to_owned)
        .collect()
}

/// The documents are beside the workspace's packages.
fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    fs::read_to_string(path).expect("the README")
}

/// Asserts that `flag` is taken where it has an effect, and refused in one line where it has none.
fn assert_scope(flag: &str, transports: &[&str], schedules: &[&str]) {
    for transport in TRANSPORTS {
        let bind = match *transport {
            "tcp" | "udp" => "127.0.0.1:0",
            _ => "/run/x.sock",
        };
        for schedule in SCHEDULES {
            let server = format!("--proto {transport} --bind {bind} --schedule {schedule}");
            for command in ["serve --handler", "inspect"] {
                let checked = typed(&format!("runtime {command} x.wasm {server} {flag}"));
                let has_effect = transports.contains(transport) && schedules.contains(schedule);
                assert_eq!(checked.is_ok(), has_effect, "{flag} {server}: {checked:?}");
                if let Err(line) = checked {
                    let name = flag.split(' ').next().expect("a flag");
                    assert!(line.starts_with(name), "{line}");
                    assert_eq!(line.lines().count(), 1, "{line}");
                }
            }
        }
    }
}

/// The smallest value of a limit, and what it needs beside it.
fn smallest(limit: &Limit) -> String {
    let value = limit.unit.text(limit.bounds.0);
    let beside = match limit.name {
        "max-sources" => " --max-rate-per-source 1",
        _ => "",
    };
    format!("--{} {value}{beside}", limit.name)
}

#[test]
fn a_limit_is_taken_where_it_holds_and_refused_where_it_does_not() {
    for limit in crate::limits() {
        let all = crate::limits().filter(|row| row.name == limit.name);
        let transports: Vec<&str> = all
            .flat_map(|row| row.applies.transports())
            .map(|transport| transport.as_str())
            .collect();
        let schedules = match limit.name {
            "max-concurrency" | "max-concurrency-per-source" => AT_ONCE,
            "max-total-memory" => &["sync", "threaded"],
            _ => SCHEDULES,
        };
        assert_scope(&smallest(&limit), &transports, schedules);
    }
}

#[test]
fn any_other_flag_is_taken_where_it_has_an_effect_and_refused_where_it_has_none() {
    for (flag, transports, schedules) in FLAGS {
        assert_scope(flag, transports, schedules);
    }
}

#[test]
fn every_flag_is_in_one_of_the_tables() {
    let name = |typed: &'static str| typed.split(' ').next()?.strip_prefix("--");
    let mut here: BTreeSet<String> = FLAGS
        .iter()
        .filter_map(|row| name(row.0))
        .map(str::to_owned)
        .collect();
    here.extend(crate::limits().map(|limit| limit.name.to_owned()));
    here.extend(WHAT.map(str::to_owned));
    assert_eq!(here, flags("serve"));
    here.insert("json".to_owned());
    assert_eq!(here, flags("inspect"));
}

#[test]
fn a_socket_that_was_bound_before_stays_as_it_is() {
    let serve = "runtime serve --handler x.wasm --proto unix --bind";
    for (flag, inherited, nameless) in [
        ("--receive-buffer 64KiB", false, true),
        ("--send-buffer 64KiB", false, true),
        ("--socket-mode 660", false, false),
        ("--request-queue-size 5", true, true),
    ] {
        assert_eq!(typed(&format!("{serve} fd:3 {flag}")).is_ok(), inherited);
        assert_eq!(typed(&format!("{serve} @x {flag}")).is_ok(), nameless);
    }
    for flag in ["--allow-reuse-port", "--allow-reuse-address"] {
        let line = format!("runtime serve --handler x.wasm --bind fd:3 {flag}");
        let refused = typed(&line).expect_err("it has no effect");
        assert!(refused.contains("bound here, not tcp://fd:3"), "{refused}");
    }
}

#[test]
fn how_many_sources_are_remembered_matters_with_a_rate_of_theirs() {
    let serve = "runtime serve --handler x.wasm --max-sources 5";
    let refused = typed(serve).expect_err("nothing is remembered");
    assert!(
        refused.contains("set --max-rate-per-source or"),
        "{refused}"
    );
    assert_eq!(typed(&format!("{serve} --max-rate-per-source 5")), Ok(()));
}

#[test]
fn every_flag_has_a_sentence_in_the_help() {
    let mut command = Cli::command();
    command.build();
    for subcommand in command.get_subcommands_mut() {
        let help = subcommand.clone().render_long_help().to_string();
        for flag in subcommand.get_arguments() {
            let long = flag.get_long().unwrap_or_default();
            assert!(help.contains(&format!("--{long}")), "--{long}: {help}");
            let sentence = flag.get_help().map(ToString::to_string);
            let words = sentence.as_deref().unwrap_or_default().split_whitespace();
            assert!(words.count() >= 3, "--{long}: {sentence:?}");
        }
    }
}

#[test]
fn the_readme_names_every_flag_of_serve() {
    let readme = readme();
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let named: BTreeSet<&str> = readme
        .split("--")
        .skip(1)
        .map(|rest| rest.split(|letter| !is_part(letter)).next().unwrap_or(""))
        .collect();
    let missing: Vec<String> = flags("serve")
        .into_iter()
        .filter(|flag| !named.contains(flag.as_str()))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// The commands in the README's blocks, each on one line.
fn readme_commands() -> Vec<String> {
    let readme = readme();
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|rest| rest.split("```").next());
    let text: String = blocks.collect::<String>().replace("\\\n", "");
    let lines = text.lines();
    lines
        .map(|line| line.replace("cargo run --release -- ", "runtime "))
        .filter(|line| line.starts_with("runtime "))
        .collect()
}

#[test]
fn what_the_readme_shows_can_be_typed() {
    let commands = readme_commands();
    for subcommand in ["serve", "inspect", "bench"] {
        let start = format!("runtime {subcommand} ");
        let shown = commands.iter().any(|line| line.starts_with(&start));
        assert!(shown, "no example of {subcommand}");
    }
    for line in &commands {
        assert_eq!(typed(line), Ok(()), "{line}");
        let inspect = line.replace("runtime serve --handler", "runtime inspect");
        assert_eq!(typed(&inspect), Ok(()), "{inspect}");
    }
}

#[test]
fn what_the_help_shows_can_be_typed() {
    for subcommand in Cli::command().get_subcommands() {
        let examples = subcommand.get_after_help().expect("examples").to_string();
        let lines: Vec<&str> = examples.lines().skip(1).collect();
        assert!(!lines.is_empty(), "{examples}");
        for line in lines {
            assert_eq!(typed(line.trim()), Ok(()), "{line}");
        }
    }
}
