//! Serving until a signal comes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use super::serve::{Serve, ServerFlags};
use super::{build, log};
use crate::output::Output;
use crate::{Cache, Closed, CounterHandle, Handled, Handler, Server};

/// A drain that was cut short, by its time-out or a second signal.
const CUT_SHORT: u8 = 3;

/// The whole of `runtime serve`.
pub(super) fn serve(flags: &Serve) -> Result<ExitCode> {
    let output = Output::shared();
    log::start(&flags.server.log, &output);
    let handler = load(&flags.handler, &flags.server)?;
    let how = if handler.was_cached() {
        "found compiled code of"
    } else {
        "compiled"
    };
    tracing::info!("{how} {}", handler.name());
    raise_descriptor_limit();
    let server = bind(&flags.server, &handler)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let counters = server.counter_handle();
    let closed = threads.block_on(serve_until_done(&flags.server, server));
    // A guest that is cut short may be computing: it yields within a tick, and is dropped then.
    threads.shutdown_timeout(Duration::from_secs(1));
    // Those that were cut short count, too.
    tell(&counters);
    if output.lost_lines() > 0 {
        tracing::warn!("{} lines could not be written in time", output.lost_lines());
    }
    output.flush();
    Ok(match closed? {
        Closed::Drained => ExitCode::SUCCESS,
        Closed::CutShort => ExitCode::from(CUT_SHORT),
    })
}

/// As many descriptors as this process may have: the limit that most systems begin with is for programs that call select(2).
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

/// The handler, built first if `handler` is a folder, with what the flags say of it.
pub(super) fn load(handler: &Path, flags: &ServerFlags) -> Result<Handler> {
    let component = build::component(handler)?;
    let cache = cache(flags.log.cache_dir.as_deref());
    let handler = Handler::load_with_cache(&component, flags.limits(), cache.as_ref())?;
    Ok(handler.with_grants(flags.grants.grants()))
}

/// The cache; none if there is no place for it, which costs time and nothing else.
fn cache(wanted: Option<&Path>) -> Option<Cache> {
    let folder = match wanted {
        Some(folder) if folder == Path::new("none") => return None,
        Some(folder) => folder.to_owned(),
        None => {
            let Some(folder) = default_cache() else {
                tracing::info!("no home folder: compiled code is not kept");
                return None;
            };
            folder
        }
    };
    match Cache::at(&folder) {
        Ok(cache) => Some(cache),
        Err(error) => {
            tracing::warn!("compiled code is not kept in {}: {error}", folder.display());
            None
        }
    }
}

fn default_cache() -> Option<PathBuf> {
    let from = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = from("XDG_CACHE_HOME").or_else(|| Some(from("HOME")?.join(".cache")))?;
    Some(base.join("runtime"))
}

fn bind(flags: &ServerFlags, handler: &Handler) -> Result<Server> {
    let address = flags.address().map_err(|text| anyhow!(text))?;
    let config = flags.config().map_err(|text| anyhow!(text))?;
    Ok(Server::bind(&address, config, handler)?)
}

async fn serve_until_done(flags: &ServerFlags, server: Server) -> Result<Closed> {
    // Signals are caught before anybody can know that the server listens.
    let mut signals = Signals::new().context("cannot catch signals")?;
    let asked = signal(SignalKind::user_defined1()).context("cannot catch signals")?;
    tokio::spawn(tell_counters(asked, server.counter_handle()));
    tracing::info!(target: log::LISTENING, "listening on {}", server.server_address());

    {
        let mut serving = std::pin::pin!(serve_requests(&server, flags));
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = signals.stop() => None,
        };
        match ended {
            Some(ended) => ended?,
            None => {
                if flags.drain_timeout().is_zero() {
                    tracing::info!("stopping");
                } else {
                    tracing::info!("stopping: waiting for running requests");
                }
                drop(server.shutdown_handle().shutdown());
                // Under sync, the request that runs is a part of serving.
                let drained = tokio::select! {
                    drained = timeout(flags.drain_timeout(), &mut serving) => drained.is_ok(),
                    () = signals.stop() => false,
                };
                if !drained {
                    return Ok(cut_short());
                }
            }
        }
    }
    Ok(tokio::select! {
        closed = server.server_close() => match closed {
            Closed::Drained => closed,
            Closed::CutShort => cut_short(),
        },
        () = signals.stop() => cut_short(),
    })
}

/// Says what was counted as often as somebody asks.
async fn tell_counters(mut asked: Signal, counters: CounterHandle) {
    while asked.recv().await.is_some() {
        tell(&counters);
    }
}

fn tell(counters: &CounterHandle) {
    tracing::info!(target: log::COUNTERS, "{}", counters.counters());
}

fn cut_short() -> Closed {
    tracing::warn!("stopped: running requests were cut short");
    Closed::CutShort
}

/// `serve_forever`, or as many requests as `--requests` says.
async fn serve_requests(server: &Server, flags: &ServerFlags) -> Result<()> {
    let Some(requests) = flags.requests else {
        return Ok(server.serve_forever().await?);
    };
    let mut served = 0;
    while served < requests {
        match server.handle_request().await? {
            Handled::Request => served += 1,
            // The library's, under forking, for children to be collected: here they are collected by themselves.
            Handled::Timeout if flags.timeout.is_none() => {}
            Handled::Timeout => {
                tracing::info!("no request has come in time");
                break;
            }
            Handled::Shutdown => return Ok(()),
        }
    }
    server.wait_for_requests().await;
    Ok(())
}

/// The signals that end a server, and the one that must not.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Caught, so that it does not end the process: there is nothing to reload yet.
    _hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
