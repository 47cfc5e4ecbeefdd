//! The command `runtime`: arguments to library calls, result to exit code.

use std::process::ExitCode;

/// A request allocates some dozens of small blocks and frees them on the same thread: what this allocator is
/// fastest at. A program that embeds the library chooses its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    runtime::cli::main()
}
