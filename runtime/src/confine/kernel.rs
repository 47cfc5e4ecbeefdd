//! What this kernel has of the wall, and what it lacks.

use std::fmt;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetError, Scope,
};
use nix::libc;

use super::rlimits;

/// A part of the wall that a kernel may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What a process uses is told.
    Usage,
    /// Landlock, with all that it knew of files when it came.
    Files,
    /// Landlock's later rights over files.
    LaterFiles,
    /// Landlock's rights over TCP ports.
    Ports,
    /// Landlock's scopes.
    Scopes,
    /// Seccomp filters that kill a process.
    Calls,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usage => {
                "no /proc that tells what a process uses: memory, descriptors and CPU time are limited by the sandbox only"
            }
            Self::Files => {
                "no landlock (Linux 5.13, and `landlock` in the boot parameter lsm=): files and signals are held by \
                 the seccomp filter only, and a handler with a granted directory is held to it by the sandbox only"
            }
            Self::LaterFiles => {
                "landlock without all rights over files (Linux 6.10): some changes to files outside granted \
                 directories are held by the seccomp filter only"
            }
            Self::Ports => {
                "landlock without TCP ports (Linux 6.7): which ports are connected to is held by the sandbox only"
            }
            Self::Scopes => {
                "landlock without scopes (Linux 6.12): signals and abstract Unix sockets are held by the seccomp \
                 filter only"
            }
            Self::Calls => {
                "no seccomp filters that kill a process (Linux 4.14): system calls are not restricted, and new \
                 processes, UDP and Unix sockets are held by the sandbox only"
            }
        })
    }
}

/// The parts that this kernel lacks.
pub(super) fn missing() -> Vec<Part> {
    let mut missing = Vec::new();
    if rlimits::used_data().is_err() {
        missing.push(Part::Usage);
    }
    missing.extend(missing_of_landlock());
    if !kills_by_filter() {
        missing.push(Part::Calls);
    }
    missing
}

fn missing_of_landlock() -> Vec<Part> {
    type Ask = fn(Ruleset) -> Result<Ruleset, RulesetError>;
    let lacks = |ask: Ask| {
        let all_or_nothing = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        ask(all_or_nothing).is_err()
    };
    if lacks(|ruleset| ruleset.handle_access(AccessFs::from_all(ABI::V1))) {
        return vec![Part::Files];
    }
    let later: [(Part, Ask); 3] = [
        (Part::LaterFiles, |ruleset| {
            ruleset.handle_access(AccessFs::from_all(ABI::V5))
        }),
        (Part::Ports, |ruleset| {
            ruleset.handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)
        }),
        (Part::Scopes, |ruleset| {
            ruleset.scope(Scope::AbstractUnixSocket | Scope::Signal)
        }),
    ];
    let lacking = later.into_iter().filter(|(_, ask)| lacks(*ask));
    lacking.map(|(part, _)| part).collect()
}

/// True if a filter can be set whose word is death.
#[expect(
    unsafe_code,
    reason = "no library asks which actions of a filter there are"
)]
fn kills_by_filter() -> bool {
    let action = libc::SECCOMP_RET_KILL_PROCESS;
    let no_flags: libc::c_uint = 0;
    // SAFETY: the kernel reads four bytes behind the last argument, which are those of `action`, and writes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            no_flags,
            &raw const action,
        )
    };
    answer == 0
}
