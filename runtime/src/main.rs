//! The command `runtime`: arguments to library calls, result to exit code.

mod allocator;

use std::process::ExitCode;

use allocator::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator::new();

fn main() -> ExitCode {
    runtime::cli::main()
}
