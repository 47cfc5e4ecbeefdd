//! The seccomp filters: one for the zygote, which its children inherit, and a short one that each child adds.
//!
//! The first lists what is allowed; whatever else is called kills the process, so that nobody has a second try. The
//! second lists what of it is allowed no more. Linux remembers which calls a filter allows whatever their
//! arguments, and runs no filter for those: what a filter costs a call does not depend on its order here.

use std::collections::BTreeMap;
use std::fmt::Display;

use nix::libc::SYS_tgkill;
use seccompiler::{
    BackendError, BpfProgram, BpfProgramRef, SeccompAction, SeccompFilter, SeccompRule, TargetArch,
    apply_filter,
};

use super::ConfineError;
use super::arguments::{Call, Test, rule};
use super::syscalls::{
    CLOCKS, DESCRIPTORS, DIRECTORIES, DIRECTORIES_TO_WRITE, MEMORY, NOT_IN_A_CHILD, OUTBOUND,
    PROCESS, STREAMS, TCP, UDP, WAITING, ZYGOTE,
};
use crate::grants::{Access, Grants, Protocol};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters of a handler.
pub(super) struct Filters {
    zygote: BpfProgram,
    /// With [`NOBODY`] where a child's own number belongs.
    child: BpfProgram,
}

/// The number of no process: Linux gives out none above 2^22.
const NOBODY: u32 = u32::MAX >> 1;

impl Filters {
    pub(super) fn of(grants: &Grants) -> Result<Self, ConfineError> {
        Self::compile(grants).map_err(|error| refused(&error))
    }

    fn compile(grants: &Grants) -> Result<Self, BackendError> {
        Ok(Self {
            zygote: allow_only(rules(allowed(grants))?)?,
            child: kill_only(rules(NOT_IN_A_CHILD)?)?,
        })
    }

    /// Puts this process under what a serving process and a zygote do.
    pub(super) fn confine_zygote(&self) -> Result<(), ConfineError> {
        apply(&self.zygote)
    }

    /// Puts this process, which is under the other filter already, under what is left to a child. Its own number is
    /// written into it, since it must be able to abort, and may signal nobody else; to compile it here would take
    /// longer than all the rest.
    pub(super) fn confine_child(&self) -> Result<(), ConfineError> {
        let mut program = self.child.clone();
        for instruction in &mut program {
            if instruction.k == NOBODY {
                instruction.k = std::process::id();
            }
        }
        apply(&program)
    }
}

/// What may be called under these grants.
fn allowed(grants: &Grants) -> impl Iterator<Item = &'static Call> {
    let tcp = grants.has(Protocol::Tcp);
    let udp = grants.has(Protocol::Udp);
    let directories = &grants.directories;
    let writes = directories
        .iter()
        .any(|directory| directory.access == Access::ReadWrite);
    let groups = [
        (true, MEMORY),
        (true, DESCRIPTORS),
        (true, WAITING),
        (true, STREAMS),
        (true, CLOCKS),
        (true, PROCESS),
        (true, ZYGOTE),
        (!directories.is_empty(), DIRECTORIES),
        (writes, DIRECTORIES_TO_WRITE),
        (tcp || udp, OUTBOUND),
        (tcp, TCP),
        (udp, UDP),
    ];
    let granted = groups.into_iter().filter(|(granted, _)| *granted);
    granted.flat_map(|(_, calls)| calls)
}

/// The calls by their numbers. A call that several groups name has the forms of all of them.
fn rules<'a>(calls: impl IntoIterator<Item = &'a Call>) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for call in calls {
        let forms = rules.entry(call.number).or_default();
        for form in call.rules() {
            forms.push(form?);
        }
    }
    Ok(rules)
}

fn allow_only(rules: Rules) -> Result<BpfProgram, BackendError> {
    program(rules, SeccompAction::KillProcess, SeccompAction::Allow)
}

fn kill_only(mut rules: Rules) -> Result<BpfProgram, BackendError> {
    let signals_another = rule(&[Test::IsNot(0, NOBODY)])?;
    rules.insert(SYS_tgkill, vec![signals_another]);
    program(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

/// A filter that does `listed` to what is in `rules`, and `others` to anything else.
fn program(
    rules: Rules,
    others: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let this = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, others, listed, this)?.try_into()
}

fn apply(program: BpfProgramRef<'_>) -> Result<(), ConfineError> {
    apply_filter(program).map_err(|error| refused(&error))
}

fn refused(error: &dyn Display) -> ConfineError {
    ConfineError::refused("seccomp", error)
}
