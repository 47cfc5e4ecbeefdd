//! Flags of `runtime serve` about the processes of the forking schedule.

use clap::Args;

use crate::{Confine, ServerConfig};

/// A process for every request.
#[derive(Debug, Args)]
#[command(next_help_heading = "The forking schedule")]
pub(super) struct ForkingFlags {
    /// Requests, and so processes, at once: another name of --max-concurrency [default: 40, as in Python]
    ///
    /// While there are as many, the next request waits in the kernel's queue until one of them has ended.
    #[arg(long, value_name = "N", conflicts_with = "max-concurrency", value_parser = clap::value_parser!(u32).range(1..))]
    max_children: Option<u32>,

    /// The wall that the kernel builds around each process: best-effort (say what this kernel lacks), strict
    /// (do not start if it lacks anything) or off [default: best-effort, since most kernels have all of it, and the
    /// sandbox around a handler stands on any]
    #[arg(long, value_name = "best-effort|strict|off")]
    confine: Option<Confine>,
}

impl ForkingFlags {
    pub(super) fn apply(&self, config: &mut ServerConfig) {
        if self.max_children.is_some() {
            config.limits.max_concurrency = self.max_children;
        }
        config.confine = self.confine.unwrap_or(config.confine);
    }
}
