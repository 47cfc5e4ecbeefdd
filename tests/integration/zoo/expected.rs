//! How each hostile handler ends: one line for each.

use tests::{DATAGRAMS, STREAMS, TRANSPORTS};

use super::odd::Odd;
use super::ways::Hurt;

/// How one way to hurt ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// The word in the log.
    pub(super) outcome: &'static str,
    /// Whose fault it is; none if all was well.
    pub(super) fault: Option<&'static str>,
    /// The limit that ends it; none if it ends at once.
    pub(super) limit: Limit,
    /// The transports that it can be done on.
    pub(super) transports: &'static [&'static str],
}

/// The one limit of a server of the zoo. All others are off, so that none takes another's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Cpu,
    Wall,
    Idle,
    /// Not even one.
    None,
}

/// Ended by `limit`, and by nothing else.
const fn lasting(outcome: &'static str, limit: Limit) -> Expected {
    Expected {
        outcome,
        fault: Some("handler"),
        limit,
        transports: &TRANSPORTS,
    }
}

/// Ended at once.
const fn quick(outcome: &'static str) -> Expected {
    Expected {
        outcome,
        fault: Some("handler"),
        limit: Limit::None,
        transports: &TRANSPORTS,
    }
}

/// All is well.
pub(super) const HONEST: Expected = quick("ok").fault_of(None);

impl Expected {
    /// Asserts that the line of the log about a request says so.
    pub(super) fn assert(&self, line: &str) {
        let outcome = format!(" outcome=\"{}\" ", self.outcome);
        assert!(line.contains(&outcome), "not {outcome}: {line}");
        let fault = self.fault.map(|fault| format!("fault={fault}"));
        let told = line.split(' ').find(|word| word.starts_with("fault="));
        assert_eq!(told, fault.as_deref(), "{line}");
    }

    const fn only_on(self, transports: &'static [&'static str]) -> Self {
        Self { transports, ..self }
    }

    const fn fault_of(self, fault: Option<&'static str>) -> Self {
        Self { fault, ..self }
    }
}

/// What the guest `hostile` comes to.
pub(super) const fn expected(hurt: Hurt) -> Expected {
    match hurt {
        Hurt::Spin => lasting("cpu", Limit::Cpu),
        Hurt::SpinInBulkMemory => lasting("cpu", Limit::Cpu),
        Hurt::SpinInHostCalls => lasting("cpu", Limit::Cpu),
        Hurt::ManyShortWaits => lasting("cpu", Limit::Cpu),
        Hurt::ClockForEver => lasting("cpu", Limit::Cpu),
        Hurt::RandomBytesForEver => lasting("cpu", Limit::Cpu),
        // A call lends no more handles than a request may have.
        Hurt::PollLongLists => quick("memory"),
        Hurt::NeverRead => lasting("cpu", Limit::Cpu).only_on(&STREAMS),
        Hurt::AnswerForEver => quick("bytes-out").only_on(&DATAGRAMS),
        Hurt::PrintForEver => quick("output"),
        Hurt::PrintWithoutNewline => quick("output"),
        Hurt::PrintEscapes => HONEST,
        Hurt::AllocateAtOnce => quick("memory"),
        Hurt::AllocateInSmallSteps => quick("memory"),
        Hurt::RandomBytesAtOnce => quick("memory"),
        Hurt::OpenHandles => quick("memory"),
        Hurt::HugeList => quick("memory"),
        Hurt::HugeError => quick("memory"),
        Hurt::ErrorThatIsNoText => quick("trap"),
        Hurt::ForgeAHandle => quick("trap"),
        Hurt::Recurse => quick("trap"),
        Hurt::TrapInSetup => quick("trap"),
        Hurt::TrapInHandle => quick("trap"),
        Hurt::TrapInFinish => quick("trap"),
        Hurt::Exit => quick("exit"),
        Hurt::CallWhatIsNotGranted => quick("denied"),
        Hurt::SleepForEver => lasting("wall", Limit::Wall),
        Hurt::WriteWithoutClientReading => lasting("idle", Limit::Idle)
            .fault_of(Some("client"))
            .only_on(&STREAMS),
    }
}

/// What becomes of an odd component.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It is served, and its odd requests end so.
    Ends(Expected),
    /// It is served, and all of its requests end so.
    AlwaysEnds(Expected),
    /// It is not served: what the one line says.
    Refused(&'static [&'static str]),
}

/// What components come to that no compiler writes.
pub(super) const fn fate(odd: Odd) -> Fate {
    match odd {
        Odd::SpinAtStart => Fate::AlwaysEnds(lasting("cpu", Limit::Cpu)),
        Odd::TrapAtStart => Fate::AlwaysEnds(quick("trap")),
        Odd::AllocateAtStart => Fate::AlwaysEnds(quick("memory")),
        Odd::SpinInRealloc => Fate::Ends(lasting("cpu", Limit::Cpu)),
        Odd::LieInRealloc => Fate::Ends(quick("trap")),
        Odd::SpinAfterReturning => Fate::Ends(lasting("cpu", Limit::Cpu)),
        Odd::RecurseWithoutMemory => Fate::Ends(quick("stack")),
        Odd::GrowTables => Fate::Ends(quick("memory")),
        Odd::TenMemories => Fate::Refused(&["memories, and max-memories is 8"]),
        Odd::MemoriesBeyondTheLimitTogether => Fate::Refused(&["begins with", "max-memory"]),
        Odd::AHundredInstances => Fate::Refused(&["instances, and max-instances is 64"]),
        Odd::ManyGlobals => Fate::Refused(&["cannot prepare ManyGlobals", "size"]),
        Odd::MemoryBeyondTheLimit => Fate::Refused(&["begins with", "max-memory"]),
        Odd::HugeTable => {
            Fate::Refused(&["1000000 elements in a table, and max-table-elements is 20000"])
        }
        Odd::MegabytesOfTypes => Fate::Refused(&["is not a WebAssembly component"]),
    }
}
