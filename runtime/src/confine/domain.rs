//! The landlock domain: files, TCP ports, and whom a process may signal or find by an abstract name.
//!
//! Landlock has no word for UDP, for sockets that are made already, or (before Linux 7.1) for Unix sockets by their
//! path: there the filter is the wall. What was opened before stays open.

use std::fmt::Display;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};

use super::{ConfineError, Needs};
use crate::grants::{Access, ConnectPattern, Grants, Protocol};

/// The newest rights that are refused where the kernel knows them; a kernel that is older refuses what it knows.
const NEWEST: ABI = ABI::V9;

/// Ports that are listed one by one. Handlers that may connect to more are not held to them here: each port is a
/// rule, and `*` is as good as none.
const MOST_PORTS: usize = 1024;

/// A domain that is described to the kernel, and not entered yet.
pub(super) struct Domain(RulesetCreated);

impl Domain {
    pub(super) fn of(needs: &Needs<'_>) -> Result<Self, ConfineError> {
        create(needs).map(Self).map_err(|error| refused(&error))
    }

    /// Enters it, with all that this process forks from here on.
    pub(super) fn enter(self) -> Result<(), ConfineError> {
        let status = self.0.restrict_self().map_err(|error| refused(&error))?;
        match status.ruleset {
            RulesetStatus::NotEnforced => Err(refused(&"it is not enforced")),
            _ => Ok(()),
        }
    }
}

fn create(needs: &Needs<'_>) -> Result<RulesetCreated, RulesetError> {
    let ports = tcp_ports(needs.grants);
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket)?
        .scope(Scope::Signal)?;
    if ports.is_some() {
        ruleset = ruleset.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut ruleset = ruleset.create()?;
    for (directory, held) in needs.grants.directories.iter().zip(needs.directories) {
        ruleset = ruleset.add_rule(beneath(held, directory.access))?;
    }
    if needs.grants.has(Protocol::Tcp) {
        // Any free port, which is what comes before a connection.
        ruleset = ruleset.add_rule(NetPort::new(0, AccessNet::BindTcp))?;
    }
    for port in ports.into_iter().flatten() {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset)
}

fn beneath(held: &OwnedFd, access: Access) -> PathBeneath<&OwnedFd> {
    PathBeneath::new(held, rights(access))
}

/// What may be done below a granted directory. Never run a program, and never make a device, a pipe or a socket: WASI
/// has no call for these.
fn rights(access: Access) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    match access {
        Access::ReadOnly => read,
        Access::ReadWrite => {
            read | AccessFs::WriteFile
                | AccessFs::Truncate
                | AccessFs::MakeReg
                | AccessFs::MakeDir
                | AccessFs::MakeSym
                | AccessFs::RemoveFile
                | AccessFs::RemoveDir
                | AccessFs::Refer
        }
    }
}

/// The ports that TCP may connect to, of whatever host; none if they are too many to list.
fn tcp_ports(grants: &Grants) -> Option<Vec<u16>> {
    let tcp = |pattern: &&ConnectPattern| pattern.protocol == Protocol::Tcp;
    let ranges = grants
        .connect
        .iter()
        .filter(tcp)
        .map(|pattern| pattern.ports);
    let ranges: Vec<_> = ranges.map(|ports| ports.first..=ports.last).collect();
    let count: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    (count <= MOST_PORTS).then(|| ranges.into_iter().flatten().collect())
}

fn refused(error: &dyn Display) -> ConfineError {
    ConfineError::refused("landlock", error)
}
