//! The second wall: what the kernel itself keeps a request's process from, should a guest ever get out of its
//! sandbox.
//!
//! The zygote is confined once, as far as its own work allows, and what it forks inherits all of that; each child
//! narrows the rest as its first act. One step after the other, each with its reason:
//!
//! 1. [`no privileges`](privileges): nothing that is run later gains any, and no other process looks into this one.
//! 2. [`resource limits`](rlimits): memory, descriptors and, in a child, CPU time: a net behind the limits of a
//!    handler. Before the others, since `/proc` tells how much there is already.
//! 3. [`a landlock domain`](domain): no file but below the granted directories, no TCP but to the granted ports, no
//!    abstract Unix socket and no signal to anybody outside.
//! 4. [`a seccomp filter`](filter): the calls that a serving process makes, and death for any other. Last, because
//!    making the others takes calls that it refuses.
//!
//! Whoever is confined must have one thread: domain and filter bind the thread that asks for them.

mod arguments;
mod domain;
mod filter;
mod kernel;
mod privileges;
mod rlimits;
mod syscalls;
#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::os::fd::OwnedFd;

use crate::address::Transport;
use crate::config::{Confine, Limits};
use crate::grants::Grants;
use domain::Domain;
use filter::Filters;
use kernel::Part;
use rlimits::ResourceLimits;

/// What a handler was granted, and its limits: the wall has gates for these and for nothing else.
pub(crate) struct Needs<'a> {
    pub(crate) transport: Transport,
    pub(crate) limits: &'a Limits,
    pub(crate) grants: &'a Grants,
    /// The directories of `grants`, in the same order, held open.
    pub(crate) directories: &'a [OwnedFd],
}

/// Why there is no wall.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfineError {
    /// The kernel lacks parts of it, and all were asked for.
    #[error(
        "this kernel cannot confine requests as strictly as asked: {}; use a kernel that has it, or --confine \
         best-effort to do without", .0.join("; ")
    )]
    Missing(Vec<String>),
    /// The kernel has a part, and refuses it.
    #[error("cannot confine a process: {step}: {reason}")]
    Refused {
        /// Which part of the wall.
        step: &'static str,
        /// What the kernel said.
        reason: String,
    },
}

impl ConfineError {
    fn refused(step: &'static str, reason: &dyn Display) -> Self {
        let reason = reason.to_string();
        Self::Refused { step, reason }
    }
}

/// Which layers of the wall are built: all of them, but for the tests that look at one by itself.
#[derive(Debug, Clone, Copy)]
struct Layers {
    limits: bool,
    domain: bool,
    filter: bool,
}

impl Layers {
    const ALL: Self = Self {
        limits: true,
        domain: true,
        filter: true,
    };
    const NONE: Self = Self {
        limits: false,
        domain: false,
        filter: false,
    };

    /// Those that this kernel can build.
    fn without(self, missing: &[Part]) -> Self {
        Self {
            limits: self.limits && !missing.contains(&Part::Usage),
            domain: self.domain && !missing.contains(&Part::Files),
            filter: self.filter && !missing.contains(&Part::Calls),
        }
    }
}

/// A wall in the making, in a zygote that is not confined yet.
pub(crate) struct Wall {
    privileges: bool,
    limits: Option<ResourceLimits>,
    domain: Option<Domain>,
    filters: Option<Filters>,
    missing: Vec<String>,
}

/// What is left to do in each child of a confined zygote.
pub(crate) struct ChildWall {
    limits: Option<ResourceLimits>,
    filters: Option<Filters>,
}

impl Wall {
    /// Finds out what this kernel has, and prepares all of it.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Missing`] if it lacks a part and `confine` is strict.
    pub(crate) fn new(confine: Confine, needs: &Needs<'_>) -> Result<Self, ConfineError> {
        Self::of(Layers::ALL, confine, needs)
    }

    fn of(layers: Layers, confine: Confine, needs: &Needs<'_>) -> Result<Self, ConfineError> {
        let parts = match confine {
            Confine::Off => Vec::new(),
            Confine::BestEffort | Confine::Strict => kernel::missing(),
        };
        let missing: Vec<_> = parts.iter().map(ToString::to_string).collect();
        if confine == Confine::Strict && !missing.is_empty() {
            return Err(ConfineError::Missing(missing));
        }
        let layers = match confine {
            Confine::Off => Layers::NONE,
            Confine::BestEffort | Confine::Strict => layers.without(&parts),
        };
        Ok(Self {
            privileges: confine != Confine::Off,
            limits: layers.limits.then(|| ResourceLimits::of(needs)),
            domain: layers.domain.then(|| Domain::of(needs)).transpose()?,
            filters: layers
                .filter
                .then(|| Filters::of(needs.grants))
                .transpose()?,
            missing,
        })
    }

    /// What this kernel lacks, a line for each part; none if there is to be no wall.
    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Confines this process, the zygote, and all that it forks from here on.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Refused`]; it may be confined in part then, and must not go on.
    pub(crate) fn confine_zygote(self) -> Result<ChildWall, ConfineError> {
        if self.privileges {
            privileges::give_up().map_err(|error| ConfineError::refused("privileges", &error))?;
        }
        if let Some(limits) = &self.limits {
            limits
                .confine_zygote()
                .map_err(|error| ConfineError::refused("resource limits", &error))?;
        }
        if let Some(domain) = self.domain {
            domain.enter()?;
        }
        if let Some(filters) = &self.filters {
            filters.confine_zygote()?;
        }
        Ok(ChildWall {
            limits: self.limits,
            filters: self.filters,
        })
    }
}

impl ChildWall {
    /// Confines this process, a child of the zygote, to what serving one request takes. Afterwards it makes no other
    /// process, receives no descriptor, and signals nobody.
    ///
    /// # Errors
    ///
    /// [`ConfineError::Refused`]: it must end without serving anything.
    pub(crate) fn confine(&self) -> Result<(), ConfineError> {
        if let Some(limits) = &self.limits {
            limits
                .confine_child()
                .map_err(|error| ConfineError::refused("resource limits", &error))?;
        }
        match &self.filters {
            Some(filters) => filters.confine_child(),
            None => Ok(()),
        }
    }
}
