//! Descriptors that the async runtime watches, so that somebody can wait for them.

#![expect(
    unsafe_code,
    reason = "tokio cannot know that a descriptor stays what it is"
)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the async runtime that this is called in, for reading and writing.
///
/// # Panics
///
/// Without such a runtime, or if it has no I/O driver.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open, and names the same file, until it is dropped; and nothing but the value
    // returned here has it.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
