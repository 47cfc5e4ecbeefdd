//! What has no safe form: to fork, to leave, and to make code.

#![expect(
    unsafe_code,
    reason = "what the wall is to stop, and the fork that it allows"
)]

use std::io;
use std::num::NonZeroUsize;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

const PAGE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// Runs `work` in a child, whose exit code is the number of its error.
pub(super) fn forked(work: impl FnOnce() -> io::Result<()>) -> nix::Result<Pid> {
    // SAFETY: the threads of libtest, if there are any, only wait; the child runs on by itself.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = work().map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
            // SAFETY: it ends the process, and nothing of it has to be left in order.
            unsafe { nix::libc::_exit(code) }
        }
    }
}

pub(super) fn ended(child: Pid) -> nix::Result<WaitStatus> {
    waitpid(child, None)
}

pub(super) fn make_code() -> io::Result<()> {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    // SAFETY: it is new memory, which nobody uses.
    unsafe { mmap_anonymous(None, PAGE, protection, MapFlags::MAP_PRIVATE) }?;
    Ok(())
}

pub(super) fn share_memory() -> io::Result<()> {
    // SAFETY: it is new memory, which nobody uses.
    unsafe { mmap_anonymous(None, PAGE, ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED) }?;
    Ok(())
}

pub(super) fn turn_data_into_code() -> io::Result<()> {
    // SAFETY: it is new memory, which nobody uses.
    let data = unsafe { mmap_anonymous(None, PAGE, ProtFlags::PROT_WRITE, MapFlags::MAP_PRIVATE) }?;
    // SAFETY: as before, and nothing is run in it.
    unsafe { mprotect(data, PAGE.get(), ProtFlags::PROT_EXEC) }?;
    Ok(())
}
