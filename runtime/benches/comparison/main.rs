//! Servers that upper-case, side by side: ours, CPython's `socketserver`, and the same loop without a sandbox.
//!
//! `cargo bench --bench comparison` asks all of them by the same client (`runtime bench`), in alternating rounds
//! of one run, and writes the tables of BENCHMARKS.md; `-- --help` has the options. `rows` says what is
//! measured with which servers, `targets` what this project wants to reach.

#![cfg_attr(
    test,
    allow(
        dead_code,
        unused_imports,
        reason = "cargo sets `test` for a benchmark, too, but leaves out the tests, and so what only they use"
    )
)]

mod criterion;
mod document;
mod handlers;
mod idle;
mod load;
mod machine;
mod measured;
mod options;
mod plain_server;
mod plan;
mod process;
mod program;
mod python;
mod ready;
mod rounds;
mod rows;
mod run;
mod servers;
mod spinning;
mod statistics;
mod table;
mod targets;
mod waiting;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.split_first() {
        Some((first, rest)) if first == servers::PLAIN_SERVER => plain_server::main(rest),
        _ => run::main(),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
