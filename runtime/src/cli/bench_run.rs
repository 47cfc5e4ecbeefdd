//! Measuring a server until it is done, or a signal comes.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use indicatif::{HumanCount, ProgressBar};
use tokio::signal::unix::{SignalKind, signal};

use super::bench::Bench;
use super::bench_report::Report;
use crate::bench::{self, PROGRESS, Progress};

/// A request failed.
const FAILED: u8 = 3;

/// The whole of `runtime bench`.
pub(super) fn bench(flags: &Bench) -> Result<ExitCode> {
    let plan = flags.plan()?;
    let report = Report::of(&flags.address, &plan);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let measured = runtime.block_on(async {
        let stopped = stopped()?;
        let progress = Progress::default();
        let run = bench::run(plan, progress.clone(), stopped);
        anyhow::Ok(while_told(&progress, run).await?)
    })?;
    let text = if flags.json {
        report.json(&measured)
    } else {
        report.text(&measured, io::stdout().is_terminal())
    };
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print what was measured")?;
    Ok(match measured.tally.errors() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

/// Waits for SIGTERM or SIGINT, which are caught from now on.
fn stopped() -> Result<impl Future<Output = ()>> {
    let caught = "cannot catch signals";
    let mut terminate = signal(SignalKind::terminate()).context(caught)?;
    let mut interrupt = signal(SignalKind::interrupt()).context(caught)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Waits for `run`, and tells a terminal meanwhile how far it is.
async fn while_told<T>(progress: &Progress, run: impl Future<Output = T>) -> T {
    let mut run = std::pin::pin!(run);
    if !io::stderr().is_terminal() {
        return run.await;
    }
    let line = ProgressBar::new_spinner();
    let mut tick = tokio::time::interval(PROGRESS);
    loop {
        tokio::select! {
            ended = &mut run => {
                line.finish_and_clear();
                return ended;
            }
            _ = tick.tick() => {
                let (requests, errors) = progress.now();
                let (requests, errors) = (HumanCount(requests), HumanCount(errors));
                let elapsed = line.elapsed().as_secs();
                line.set_message(format!("{elapsed} s: {requests} requests, {errors} errors"));
                line.tick();
            }
        }
    }
}
