//! What a request costs in one process: a fresh instance, one call, and its end, without a socket.
//!
//! `cargo bench --bench instantiate` runs a handler in two ways. `ours` is all of this library, from
//! `Server::process_request` to the report of how the request ended. `bare wasmtime` is the same engine under
//! the least that a host of the contract can be. And it runs two handlers: `upper`, the example, which has the
//! SDK and Rust's standard library, and `bare guest`, which has neither. One request follows the other, on one
//! thread. `cargo bench --bench comparison` puts the figures into BENCHMARKS.md.

#![expect(clippy::expect_used, reason = "a benchmark that cannot go on says why")]

mod bare_wasmtime;
#[expect(dead_code, reason = "the comparison uses more of it")]
#[path = "../comparison/handlers.rs"]
mod handlers;
mod ours;

use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use criterion::Criterion;
use tokio::runtime::{Builder, Runtime};

use bare_wasmtime::BareWasmtime;
use handlers::{Handlers, target_folder};
use ours::Ours;

/// The command's, so that its figures are these.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the client sends in its first and only write. It has no white space: `upper` strips that, and the bare
/// guest does not.
const REQUEST: &[u8; 32] = b"the-quick-brown-fox-jumps-over-1";

/// What must come back.
const REPLY: &[u8; 32] = b"THE-QUICK-BROWN-FOX-JUMPS-OVER-1";

fn main() -> Result<()> {
    let handlers = Handlers::build(&["upper"], &["bare"])?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(&reports()?)
        .configure_from_args();
    for (guest, package) in [("upper", "upper"), ("bare guest", "bare")] {
        measure(
            &mut criterion,
            &runtime,
            guest,
            &handlers.component(package),
        )?;
    }
    criterion.final_summary();
    Ok(())
}

/// Where the comparison looks for them. What was measured without optimisation is kept apart.
fn reports() -> Result<PathBuf> {
    let folder = if cfg!(debug_assertions) {
        "criterion-debug"
    } else {
        "criterion"
    };
    Ok(target_folder()?.join(folder))
}

/// One handler in both ways.
fn measure(
    criterion: &mut Criterion,
    runtime: &Runtime,
    guest: &str,
    component: &Path,
) -> Result<()> {
    let mut group = criterion.benchmark_group(guest);
    let ours = runtime.block_on(Ours::start(component))?;
    group.bench_function("ours", |bencher| {
        bencher.to_async(runtime).iter(|| ours.request());
    });
    runtime.block_on(ours.close())?;

    let bare = BareWasmtime::start(component).map_err(Error::msg)?;
    group.bench_function("bare wasmtime", |bencher| {
        bencher.to_async(runtime).iter(|| bare.request());
    });
    group.bench_function("bare wasmtime, without the call", |bencher| {
        bencher.to_async(runtime).iter(|| bare.without_the_call());
    });
    group.finish();
    Ok(())
}
