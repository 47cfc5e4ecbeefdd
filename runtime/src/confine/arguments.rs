//! What a filter can tell of a system call: its number, and its arguments as numbers. What they point to it cannot see.

use nix::libc::{c_int, c_long};
use seccompiler::{
    BackendError, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition, SeccompRule,
};

/// A system call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) number: c_long,
    /// The forms of it that are meant: if there are none, any.
    pub(super) forms: &'static [Form],
}

/// What must be so of its arguments, all of it.
pub(super) type Form = &'static [Test];

/// What must be so of one argument, which is counted from 0. Only the lower half of it is looked at, as the kernel
/// does with an `int`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Test {
    Is(u8, u32),
    IsNot(u8, u32),
    /// Some of its bits: which, and what they are.
    Bits(u8, u32, u32),
    /// The whole argument is 0, which as a pointer points to nothing.
    Null(u8),
}

impl Call {
    /// A call whose arguments do not matter, or cannot be told.
    pub(super) const fn any(number: c_long) -> Self {
        Self { number, forms: &[] }
    }

    pub(super) const fn only(number: c_long, forms: &'static [Form]) -> Self {
        Self { number, forms }
    }

    /// Its forms, as the compiler of filters takes them.
    pub(super) fn rules(&self) -> impl Iterator<Item = Result<SeccompRule, BackendError>> {
        self.forms.iter().map(|form| rule(form))
    }
}

/// One form of a call.
pub(super) fn rule(form: &[Test]) -> Result<SeccompRule, BackendError> {
    let conditions = form.iter().map(Test::condition);
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

impl Test {
    fn condition(&self) -> Result<SeccompCondition, BackendError> {
        let (argument, width, is, value) = match *self {
            Self::Is(argument, value) => (argument, Width::Dword, Is::Eq, value),
            Self::IsNot(argument, value) => (argument, Width::Dword, Is::Ne, value),
            Self::Bits(argument, mask, value) => {
                (argument, Width::Dword, Is::MaskedEq(mask.into()), value)
            }
            Self::Null(argument) => (argument, Width::Qword, Is::Eq, 0),
        };
        SeccompCondition::new(argument, width, is, value.into())
    }
}

/// A constant of C as an argument.
pub(super) const fn int(value: c_int) -> u32 {
    value.cast_unsigned()
}
