//! The run: everything prepared, row after row measured, the tables written.

use std::fs;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::handlers::root;
use super::measured::Measured;
use super::options::Options;
use super::plan::Plan;
use super::process::say;
use super::rows::ROWS;
use super::servers::Tools;
use super::table::Table;
use super::{criterion, document, idle, machine, ready, rounds, spinning, targets, waiting};

/// The whole of it.
pub(super) fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        say("nothing is measured: start this with `cargo bench --bench comparison`");
        return Ok(());
    }
    allow_many_files()?;
    let plan = options.plan();
    let tools = Tools::prepare()?;
    let machine = machine::describe(&options, plan, &tools);
    let tables = measure(&options, plan, &tools)?;
    publish(&options, &document::generated(&machine, &tables))
}

/// This process, and all that it starts, may open as many files as it is allowed to allow itself.
fn allow_many_files() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).context("the limit of open files")
}

/// Row after row; the targets, which need them all, come first.
fn measure(options: &Options, plan: Plan, tools: &Tools) -> Result<Vec<Table>> {
    let mut measured = Measured::default();
    let mut tables = Vec::new();
    for row in ROWS.iter().filter(|row| options.wants(row.name)) {
        tables.push(rounds::run(row, plan, tools, &mut measured));
    }
    if options.wants(ready::NAME) {
        tables.push(ready::run(tools, &mut measured));
    }
    if options.wants(idle::NAME) {
        tables.push(idle::run(plan, tools, &mut measured));
    }
    if options.wants(waiting::NAME) {
        tables.push(waiting::run(plan, tools, &mut measured));
    }
    if options.wants(spinning::NAME) {
        tables.push(spinning::run(plan, tools, &mut measured));
    }
    if options.wants(criterion::NAME) {
        tables.push(criterion::run(&mut measured)?);
    }
    tables.insert(0, targets::table(&measured));
    Ok(tables)
}

/// Into BENCHMARKS.md, or to standard output.
#[expect(clippy::print_stdout, reason = "the result of a program")]
fn publish(options: &Options, generated: &str) -> Result<()> {
    if !options.writes() {
        println!("{generated}");
        return Ok(());
    }
    let path = root()?.join("BENCHMARKS.md");
    let document = fs::read_to_string(&path).context("BENCHMARKS.md")?;
    fs::write(&path, document::with_generated(&document, generated)?).context("BENCHMARKS.md")?;
    say(&format!("written: {}", path.display()));
    Ok(())
}
