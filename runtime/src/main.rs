//! The command `runtime`: arguments to library calls, result to exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::cli::main()
}
