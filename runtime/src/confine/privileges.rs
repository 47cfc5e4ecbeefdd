//! Privileges: none that a process could gain, and nobody that looks into it.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::set_no_new_privs;

/// Gives up privileges to come, for this process and all that it starts.
pub(super) fn give_up() -> io::Result<()> {
    // No program that is run later is set-user-id, whatever its file says: without this, only root may build the rest.
    set_no_new_privs(true)?;
    // A core file would hold a client's bytes. The limit alone is not enough: where cores are piped to a program,
    // Linux does not look at it. What is not dumpable cannot be traced or read by processes of the same user either.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    Ok(())
}
