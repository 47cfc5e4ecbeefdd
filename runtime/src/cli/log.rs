//! The log of the command: tracing's events as lines on standard error.

use std::io::IsTerminal as _;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::serve::{LogFlags, LogFormat};
use crate::output::Output;

/// What is logged whatever the level is: that the server listens.
pub(super) const LISTENING: &str = "listening";
/// And what was counted, which somebody asks for by a signal, and which is a server's last word.
pub(super) const COUNTERS: &str = "counters";

/// From here on, events are lines.
pub(super) fn start(flags: &LogFlags, output: &Arc<Output>) {
    let writer = output.log_writer();
    let lines = fmt::layer()
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    let wanted = Targets::new()
        .with_target("runtime", flags.log_level)
        .with_target("access", flags.log_level)
        .with_target(LISTENING, LevelFilter::INFO)
        .with_target(COUNTERS, LevelFilter::INFO);
    let registry = tracing_subscriber::registry();
    match flags.log_format {
        LogFormat::Human => registry.with(lines.with_filter(wanted)).init(),
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_filter(wanted))
            .init(),
    }
}
